"""Compact, relocate and repair under kills and full disks: the old collection or the new one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from collection_rows import Rows, live_rows
from folders import SUPPORT
from small_build import make_parts_tiny
from worn import Answers, answers, assert_clean, copy_of, dead_rows, files_of

from i2v_search import Collection
from i2v_search.build.upkeep.relocating import relocate_collection
from i2v_search.build.upkeep.rewriting import compact_collection

pytestmark = [
    pytest.mark.usefixtures("tiny_parts"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes"),
]

Obey = Callable[..., str]


@pytest.fixture(scope="module")
def truth(kept: Path) -> tuple[Rows, Answers]:
    with pytest.MonkeyPatch.context() as patch:
        make_parts_tiny(patch.setattr)
        return live_rows(kept), answers(kept)


@pytest.fixture(scope="module")
def obey() -> Iterator[Obey]:
    """Gives orders to a process of `small_upkeep`."""
    script = os.fspath(SUPPORT / "small_upkeep.py")
    command = [sys.executable, script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        source, target = process.stdout, process.stdin

        def order(action: str, directory: Path, **options: Any) -> str:
            target.write(f"{json.dumps({'action': action, 'directory': os.fspath(directory), **options})}\n")
            target.flush()
            return source.readline().strip()

        yield order
        process.stdin.close()


def moments_of(said: str) -> int:
    assert said.startswith("done "), said
    return int(said.removeprefix("done "))


def chosen(count: int, rounds: int) -> list[int]:
    """Moments to kill at: the first, the last, and more with ``--kill-rounds``."""
    step = max(1, count // (3 * rounds))
    return sorted({*range(1, count + 1, step), *range(max(1, count - 8), count + 1)})


def test_a_killed_compaction(
    kept: Path, truth: tuple[Rows, Answers], tmp_path: Path, obey: Obey, kill_rounds: int
) -> None:
    rows, found = truth
    worn = copy_of(kept, tmp_path / "worn")
    count, outcomes = moments_of(obey("compact", worn)), set()
    for moment in chosen(count, kill_rounds):
        copy_of(kept, worn)
        assert obey("compact", worn, moment=moment) == "killed"
        assert live_rows(worn) == rows
        dead = dead_rows(worn)
        outcomes.add(dead)
        assert answers(worn) == found
        assert compact_collection(worn).dropped == dead
        assert (live_rows(worn), answers(worn)) == (rows, found)
        assert dead_rows(worn) == 0
        assert_clean(worn)
    assert outcomes == {0, dead_rows(kept)}


def test_a_killed_relocation(
    kept: Path, truth: tuple[Rows, Answers], tmp_path: Path, obey: Obey, kill_rounds: int
) -> None:
    rows, found = truth
    images = kept.parent / "images"
    old, new = os.fspath(images / "sub"), os.fspath(images / "birds")
    moved = {
        key: (replace(row[0], path=row[0].path.replace("sub/", "birds/")), *row[1:])
        for key, row in rows.items()
    }
    worn = copy_of(kept, tmp_path / "worn")
    count, outcomes = moments_of(obey("relocate", worn, old=old, new=new)), []
    for moment in chosen(count, kill_rounds):
        copy_of(kept, worn)
        assert obey("relocate", worn, old=old, new=new, moment=moment) == "killed"
        now = live_rows(worn)
        assert now in (rows, moved)
        outcomes.append(now == rows)
        assert answers(worn) == found
        if now == rows:
            assert relocate_collection(worn, old, new, force=True).moved == 4
        else:
            compact_collection(worn)  # the next writer removes what the killed one left behind
        assert (live_rows(worn), answers(worn)) == (moved, found)
        assert_clean(worn)
    assert outcomes == sorted(outcomes, reverse=True)
    assert set(outcomes) == {True, False}


def test_a_killed_repair(
    kept: Path, truth: tuple[Rows, Answers], tmp_path: Path, obey: Obey, kill_rounds: int
) -> None:
    rows = dict(truth[0])
    broken, worn = copy_of(kept, tmp_path / "broken"), tmp_path / "worn"
    part = Collection.open(broken).store.parts[0]
    with part.path.open("rb+") as file:
        file.seek(part.offsets["vectors"] + 5)
        file.write(b"\xff")
    del rows[0]
    count = moments_of(obey("repair", copy_of(broken, worn)))
    for moment in chosen(count, kill_rounds)[::3]:
        copy_of(broken, worn)
        assert obey("repair", worn, moment=moment) == "killed"
        Collection.repair(worn)
        compact_collection(worn)
        assert live_rows(worn) == rows
        assert answers(worn).keys() == rows.keys()
        assert_clean(worn)


@pytest.mark.parametrize("limit", [200, 1000, 4000, 9000])
@pytest.mark.parametrize("action", ["compact", "relocate"])
def test_files_that_may_not_grow(kept: Path, tmp_path: Path, obey: Obey, action: str, limit: int) -> None:
    worn, sub = copy_of(kept, tmp_path / "worn"), kept.parent / "images" / "sub"
    places = {"old": os.fspath(sub), "new": os.fspath(sub) + "2"}
    before = files_of(worn)
    said = obey(action, worn, file_limit=limit, **places)
    assert said.startswith("error: OSError"), said
    assert files_of(worn) == before
    assert obey(action, worn, **places).startswith("done")
    assert len(Collection.open(worn)) == len(Collection.open(kept))


@pytest.mark.parametrize("free_blocks", [0, 2, 5, 8])
@pytest.mark.parametrize("action", ["compact", "relocate"])
def test_a_full_disk(kept: Path, small_disk: Path, obey: Obey, action: str, free_blocks: int) -> None:
    worn, sub = copy_of(kept, small_disk / "worn"), kept.parent / "images" / "sub"
    places = {"old": os.fspath(sub), "new": os.fspath(sub) + "2"}
    (worn / "writer.lock").touch()
    before = files_of(worn)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(4096 * max(0, os.statvfs(small_disk).f_bavail - free_blocks)))
    said = obey(action, worn, **places)
    assert said.startswith("error: OSError"), said
    assert files_of(worn) == before
    ballast.unlink()
    assert obey(action, worn, **places).startswith("done")
    assert len(Collection.open(worn)) == len(Collection.open(kept))
