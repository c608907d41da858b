"""A collection is kept up to date with its folders; one that is away is waited for, and loses nothing."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from grids import GridEncoder, draw, draw_folder

from i2v_search.collection.collection import Collection
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs import folder_watch
from i2v_search.web.jobs.builder import Builder, Reason
from i2v_search.web.jobs.folder_watch import FolderWatch, is_network_drive

pytest.importorskip("watchfiles", reason="watchfiles is not installed")


class InThisProcess(Builder):
    """Builds at once, with a quick encoder, and keeps how often."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory, self.built = directory, list[list[Path]]()
        self.busy = 0
        self.lock = threading.Lock()

    def start(self, folders: Sequence[Path], reason: Reason = "person") -> None:
        assert reason == "watch"
        with self.lock:
            if self.busy:
                self.busy -= 1
                raise Failure("building")
            Collection.build(self.directory, folders, encoder=GridEncoder())
            self.built.append(list(folders))


@pytest.fixture
def art(tmp_path: Path) -> Path:
    return draw_folder(tmp_path / "art", 4)


@pytest.fixture
def builder(tmp_path: Path, art: Path) -> InThisProcess:
    Collection.build(art / "index", [art], encoder=GridEncoder())
    return InThisProcess(art / "index")


@pytest.fixture
def watch(builder: InThisProcess) -> Iterator[FolderWatch]:
    watch = FolderWatch(builder.directory, builder, quiet=0.05, look_every=0.05)
    yield watch
    watch.stop()
    with builder.lock:  # a build in a thread must not outlive the tests
        builder.busy = sys.maxsize


def until(happens: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def images(builder: InThisProcess) -> int:
    return len(Collection.open(builder.directory))


def test_new_and_deleted_pictures_are_followed_and_the_collection_s_own_files_are_not(
    watch: FolderWatch, builder: InThisProcess, art: Path
) -> None:
    assert watch.state == "off"
    builder.busy = 1
    watch.start()
    until(lambda: len(builder.built) == 1)  # what changed before; not while another build runs
    draw(art / "new" / "a.png", 100)
    until(lambda: images(builder) == 5)
    (art / "0000.png").unlink()
    until(lambda: images(builder) == 4)
    until(lambda: watch.state == "on")
    before = len(builder.built)
    (art / ".hidden").write_text("nothing to see")
    (builder.directory / "note.txt").write_text("of the collection")
    draw(art / "last.png", 101)
    until(lambda: images(builder) == 5)
    # Its own files lie in the folder that is watched: they would have it build for ever.
    assert len(builder.built) <= before + 2


def test_a_folder_that_is_away_pauses_it_and_loses_nothing(
    watch: FolderWatch, builder: InThisProcess, art: Path, tmp_path: Path
) -> None:
    builder.directory = Path(tmp_path / "index")
    Collection.build(builder.directory, [art], encoder=GridEncoder())
    watch._directory = builder.directory
    watch.start()
    until(lambda: len(builder.built) == 1)
    art.rename(tmp_path / "unplugged")
    until(lambda: watch.state == "away")
    assert images(builder) == 4
    draw(tmp_path / "unplugged" / "meanwhile.png", 100)
    (tmp_path / "unplugged").rename(art)
    until(lambda: images(builder) == 5)
    until(lambda: watch.state == "on")
    watch.stop()
    until(lambda: watch.state == "off")


def test_network_drives_are_looked_through_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    kinds = {"/": "ext4", f"{tmp_path}/nas": "nfs4", f"{tmp_path}/nas/own": "ext4"}
    mounts = "".join(f"device {place} {kind} rw 0 0\n" for place, kind in kinds.items())
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: mounts)
    assert is_network_drive(tmp_path / "nas" / "deep")
    assert not is_network_drive(tmp_path / "nas" / "own" / "deep")
    assert not is_network_drive(tmp_path)


def test_without_watchfiles_it_says_what_is_missing(
    watch: FolderWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_watch, "find_spec", lambda _: None)
    assert watch.state == "unavailable"
    with pytest.raises(Failure) as caught:
        watch.start()
    assert caught.value.code == "no_watch"
