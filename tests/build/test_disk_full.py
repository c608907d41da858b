"""A full disk is an ordinary error: what is committed stays, and the next build goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from collection_rows import assert_equal_to_undisturbed, live_rows
from folders import SUPPORT
from grids import GridEncoder, draw_folder
from small_build import make_parts_tiny

from i2v_search import Collection
from i2v_search.errors import CollectionNotFoundError
from i2v_search.store.feature_store import FeatureStore

IMAGES = 60


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("images"), IMAGES)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """An undisturbed build of the same images."""
    directory = tmp_path_factory.mktemp("twin")
    with pytest.MonkeyPatch.context() as patch:
        make_parts_tiny(patch.setattr)
        Collection.build(directory, [images], encoder=GridEncoder())
    return directory


def build(directory: Path, images: Path, *, file_limit: int | None = None) -> str:
    """Build in another process, perhaps one that may not write files beyond a size."""
    script = os.fspath(SUPPORT / "small_build.py")
    limited = (
        "import resource, runpy, signal, sys; sys.argv = sys.argv[2:]; "
        "sys.path.insert(0, sys.argv[0].rpartition('/')[0]); "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); limit = int(sys.orig_argv[3]); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)) if limit else None; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", limited, str(file_limit or 0), script]
    command += [os.fspath(directory), os.fspath(images), "grid"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert result.stderr == ""
    assert result.returncode == 0
    return result.stdout


def committed(directory: Path) -> int:
    try:
        return len(live_rows(directory))
    except CollectionNotFoundError:
        return 0


@pytest.mark.parametrize("free_blocks", [2, 25])
def test_a_full_disk_keeps_what_is_committed(
    images: Path, twin: Path, small_disk: Path, free_blocks: int
) -> None:
    directory, ballast = small_disk / "collection", small_disk / "ballast"
    # Fill the disk up to some blocks of 4 KiB.
    with ballast.open("wb") as file:
        blocks = os.statvfs(small_disk).f_bavail - free_blocks
        file.write(bytes(4096 * max(0, blocks)))
    said = build(directory, images)
    assert said.startswith("ready\nOSError "), said
    before = committed(directory)
    ballast.unlink()
    rows = live_rows(directory) if before else {}
    subprocess.run(["mount", "-o", "remount,size=64m", os.fspath(small_disk)], check=True)
    assert build(directory, images) == "ready\ndone\n"
    assert_equal_to_undisturbed(directory, twin)
    after = live_rows(directory)
    assert all(after[image_id] == row for image_id, row in rows.items())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs resource limits")
@pytest.mark.parametrize("limit", [1000, 12_000])
def test_files_that_may_not_grow_keep_what_is_committed(
    images: Path, twin: Path, tmp_path: Path, limit: int
) -> None:
    directory = tmp_path / "collection"
    said = build(directory, images, file_limit=limit)
    assert said.startswith("ready\nOSError "), said
    before = committed(directory)
    assert build(directory, images) == "ready\ndone\n"
    assert len(FeatureStore(directory)) == IMAGES >= before
    assert_equal_to_undisturbed(directory, twin)
