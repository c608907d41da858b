"""What a release changes in its checkout."""

import re
import tomllib

import pytest
from folders import ROOT

from scripts import release

URL = "https://example.org/owner/name"


def test_the_project_of_a_release_has_addresses() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    changed = tomllib.loads(release.with_addresses(text, URL))
    assert changed["project"].pop("urls")["Homepage"] == URL
    assert changed == tomllib.loads(text)


def test_the_readme_of_a_release_links_to_the_repository_alone() -> None:
    readme = release.with_whole_links((ROOT / "README.md").read_text(encoding="utf-8"), URL, "v1.0")
    targets = re.findall(r"\]\(([^)\s]+)\)", readme)
    assert f"{URL}/raw/v1.0/docs/contact-sheet.png" in targets
    assert all(target.startswith("https://") for target in targets)


def test_a_tag_of_another_version_makes_no_release() -> None:
    with pytest.raises(SystemExit, match=r"the tag is v0\.0\.0, but pyproject\.toml has version"):
        release.main(URL, "v0.0.0")
