"""A build that is killed loses nothing that was committed, and the next ends as if undisturbed.

``pytest tests/build/test_kill.py --kill-rounds 50`` kills more often.
"""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from collection_rows import Rows, assert_equal_to_undisturbed, live_rows
from folders import SUPPORT
from grids import GridEncoder, draw, draw_folder, touch

from i2v_search import Collection, load_encoder
from i2v_search.choices import Device
from i2v_search.encoders.base import Encoder
from i2v_search.errors import CollectionNotFoundError

pytestmark = pytest.mark.usefixtures("tiny_parts")


def build_and_kill(directory: Path, images: Path, after: float | None, encoder: str = "grid") -> float:
    """Build in another process and kill it some seconds after its start; returns how long it lived."""
    script = os.fspath(SUPPORT / "small_build.py")
    command = [sys.executable, script, os.fspath(directory), os.fspath(images), encoder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        started = time.perf_counter()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after)
        process.kill()
        said = process.stdout.read()
    # Killed, it may have said a part of it.
    assert "done\n".startswith(said) if after is not None else said == "done\n"
    return time.perf_counter() - started


def rows_after_kill(directory: Path) -> Rows:
    try:
        return live_rows(directory)
    except CollectionNotFoundError:
        return {}  # killed before anything was written


def change_images(images: Path, generator: random.Random, number: int) -> None:
    """What people do to a folder between two builds."""
    paths = sorted(images.rglob("*.png"))
    removed, moved, copied, changed, touched = generator.sample(paths, 5)
    removed.unlink()
    (images / f"sub{number}").mkdir(exist_ok=True)
    moved.rename(images / f"sub{number}" / moved.name)
    shutil.copy(copied, images / f"copy-{number}.png")
    draw(changed, 10_000 + number)
    touch(touched)
    draw_folder(images, generator.randint(1, 6), first=1000 * (number + 1))
    tagged = generator.choice(sorted(images.glob("*.png"))).name
    (images / "tags.jsonl").write_text(f'{{"path": "{tagged}", "tags": ["tag {number % 3}"]}}\n')


def test_a_killed_build_goes_on_where_it_stopped(tmp_path: Path, kill_rounds: int) -> None:
    images, killed, twin = draw_folder(tmp_path / "images", 24), tmp_path / "killed", tmp_path / "twin"
    duration = build_and_kill(tmp_path / "timed", images, after=None)
    for number in range(kill_rounds):
        generator = random.Random(number)
        if number % 3 == 0:
            shutil.rmtree(killed, ignore_errors=True)
            shutil.rmtree(twin, ignore_errors=True)
        else:
            change_images(images, generator, number)
        observed: Rows = {}
        for _ in range(generator.randint(1, 2)):
            build_and_kill(killed, images, after=generator.uniform(0, duration))
            rows = rows_after_kill(killed)
            for image_id in observed.keys() - rows.keys():
                assert not (images / observed[image_id][0].path).exists()
            observed = rows
        Collection.build(killed, [images], encoder=GridEncoder())
        Collection.build(twin, [images], encoder=GridEncoder())
        after = live_rows(killed)
        ids = {(row[0].path, row[0].sha256): image_id for image_id, row in after.items()}
        for image_id, row in observed.items():
            assert ids.get((row[0].path, row[0].sha256), image_id) == image_id
        assert_equal_to_undisturbed(killed, twin)


def test_a_killed_build_with_the_real_encoder_ends_bit_for_bit_the_same(
    tmp_path: Path, kill_rounds: int
) -> None:
    images, killed, twin = draw_folder(tmp_path / "images", 20), tmp_path / "killed", tmp_path / "twin"
    encoder: Encoder = load_encoder("lite", Device(threads=1))
    started = time.perf_counter()
    Collection.build(twin, [images], encoder=encoder)
    duration = time.perf_counter() - started
    for number in range(max(1, kill_rounds // 10)):
        shutil.rmtree(killed, ignore_errors=True)
        build_and_kill(killed, images, random.Random(number).uniform(0, duration), "lite")
        before = rows_after_kill(killed)
        Collection.build(killed, [images], encoder=encoder)
        after = live_rows(killed)
        assert all(after[image_id] == row for image_id, row in before.items())
        assert_equal_to_undisturbed(killed, twin)
