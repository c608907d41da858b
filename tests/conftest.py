"""Options and fixtures of the whole test suite."""

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import browser, desktop, server, visit, window  # noqa: F401 - fixtures of the page
from grids import GridEncoder
from hypothesis import settings
from kinds import KINDS, MARKED, WHOLE, kind_of
from PIL import Image
from small_build import make_parts_tiny
from trash_bin import bin_of_its_own  # noqa: F401 - a fixture
from worn import copy_of, wear

from i2v_search.choices import Device
from i2v_search.collection.collection import Collection
from i2v_search.encoders import registry
from i2v_search.images.sample import sample_images

# What tests share, and scripts that they run in processes of their own: no modules to look for examples in.
collect_ignore = ["support"]

# No example has to be quick: other work on the machine decides about that.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# Ten times as many examples as usual, where a test has no number of its own: `--hypothesis-profile thorough`.
settings.register_profile("thorough", max_examples=1000, deadline=None)


def pytest_configure() -> None:
    """Let tests of Ctrl-C work behind a shell (``make test &``), which has all that it starts ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kill-rounds",
        type=int,
        default=2,
        help="how often tests kill a build, a compaction, a move (default 2)",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import tests of which none is asked for."""
    above = {config.rootpath / "tests", config.rootpath / "i2v_search"}
    if config.option.markexpr != "unit":
        return None
    if collection_path.is_dir():
        whole = collection_path.name in WHOLE and collection_path.parent in above
    else:
        is_test = collection_path.name.startswith("test_")
        whole = is_test and MARKED.search(collection_path.read_text("utf-8")) is not None
    return True if whole else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test that has no mark of a kind the one that follows from what it uses and where it lies."""
    for item in items:
        if not any(item.get_closest_marker(kind) for kind in KINDS):
            item.add_marker(kind_of(item))


@pytest.fixture(autouse=True)
def cache_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what commands cache and remember out of the home of whoever runs the tests."""
    base = tmp_path_factory.getbasetemp()
    for kind in ("cache", "config", "data"):
        monkeypatch.setattr(f"platformdirs.user_{kind}_path", lambda _=None, folder=base / kind: folder)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):  # of processes
        monkeypatch.setenv(name, str(base / "home"))


@pytest.fixture(autouse=True)
def no_screen_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay lines out as for a pipe, whatever screen the shell that runs the tests has told of."""
    for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="session")
def no_way_given() -> Iterator[None]:
    """Keep commands that run in this process from putting it behind the others, for good."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("i2v_search.cli.bars.give_way", lambda: None)
        yield


@pytest.fixture
def kill_rounds(request: pytest.FixtureRequest) -> int:
    """How often to kill a build, from ``--kill-rounds``."""
    rounds = request.config.getoption("--kill-rounds")
    assert isinstance(rounds, int)
    return rounds


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[GridEncoder]:
    """Make encoder ``grid`` known for one test; the list grows by every one that is loaded by name."""
    encoders: list[GridEncoder] = []

    def factory(_: Device) -> GridEncoder:
        encoders.append(GridEncoder())
        return encoders[-1]

    monkeypatch.setitem(registry._FACTORIES, "grid", factory)
    return encoders


@pytest.fixture(scope="session")
def sample_collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """About a hundred pictures of the bundled sample under the embedded encoder; to be read only."""
    counts = Counter(image.path.parent for image in sample_images())
    folders: list[Path] = []
    while sum(counts[folder] for folder in folders) < 100:
        folders.append(list(counts)[len(folders)])
    return Collection.build(tmp_path_factory.mktemp("sample"), folders, device=Device(name="cpu", threads=1))


@pytest.fixture(scope="session")
def cat() -> Image.Image:
    """Chelsea, 451 x 300 px."""
    import skimage.data  # slow to load, and few tests need it

    return Image.fromarray(skimage.data.chelsea())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a mebibyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=512k", "tmpfs", os.fspath(disk)],
            capture_output=True,
            check=False,
        ).returncode
    ):
        pytest.skip("may not mount a small file system here")
    yield disk
    subprocess.run(["umount", "-l", os.fspath(disk)], check=True)  # lazily: maps may still be open


@pytest.fixture
def tiny_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feature files of a few rows, so that a small collection has several."""
    make_parts_tiny(monkeypatch.setattr)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A worn collection with tiny parts; to be copied."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        make_parts_tiny(patch.setattr)
        return wear(folder / "collection", folder / "images")


@pytest.fixture
def worn(kept: Path, tmp_path: Path) -> Path:
    """A worn collection, to be changed."""
    return copy_of(kept, tmp_path / "worn")
