"""The kinds of tests: what `make quick` runs, and what it leaves out."""

import re

import pytest

#: Every test has the mark of one of these kinds.
KINDS = ("unit", "integration", "browser", "cluster")
#: In a file whose tests are all of another kind than "unit".
MARKED = re.compile(r"^pytestmark = pytest\.mark\.(?:integration|browser|cluster)\b", re.MULTILINE)
#: Folders of rooms that put others together.
WHOLE = {"benchmarks", "build", "cli", "collection", "extras", "pictures", "scripts", "training", "web"}
#: Fixtures that take seconds.
SLOW = {"kept", "kill_rounds", "sample_collection", "small_disk"}


def kind_of(item: pytest.Item) -> str:
    """The kind of a test whose file does not say it."""
    fixtures = set(getattr(item, "fixturenames", ()))
    if "browser" in fixtures:
        return "browser"
    folders = item.path.relative_to(item.config.rootpath).parts
    whole = folders[:-1] == ("tests",) or folders[1] in WHOLE
    return "integration" if whole or fixtures & SLOW else "unit"
