"""Second vectors of pictures: made by a build, followed by every later change, and lost by none."""

import contextlib
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from folders import SUPPORT
from grids import GridEncoder, draw, draw_folder
from PIL import Image

from i2v_search import BuildOptions, Collection, maintenance
from i2v_search.build import views
from i2v_search.build.recipe import Recipe
from i2v_search.encoders.base import encode_images
from i2v_search.images.lines import render_lines
from i2v_search.search.view_forms import DETAIL_BOXES, view_method
from i2v_search.store.manifest import EncoderRecord
from i2v_search.store.view_file import VIEW_KINDS, ViewFile, ViewKind, quantise, view_path

pytestmark = pytest.mark.usefixtures("tiny_parts")


def build(
    directory: Path, images: Path, *, sketches: bool | None = None, details: bool | None = None
) -> Collection:
    return Collection.build(directory, [images], encoder=GridEncoder(), sketches=sketches, details=details)


def kept(directory: Path, kind: ViewKind) -> dict[str, list[list[int]]]:
    """The views of each picture, by the SHA-256 of its file."""
    method = view_method(kind, EncoderRecord(**GridEncoder.info.to_dict()))
    found = ViewFile.find(directory, method.form)
    assert found is not None
    several: dict[str, list[list[int]]] = {}
    for record in found.records[found.intact]:
        several.setdefault(record["sha256"].tobytes().hex(), []).append(record["code"].tolist())
    return several


def contents(collection: Collection) -> set[str]:
    return {image.sha256 for image in collection}


def test_each_picture_gets_its_lines_and_its_parts(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "art", 5)
    shutil.copy(images / "0001.png", images / "copy.png")
    collection = build(tmp_path / "col", images, sketches=True, details=True)
    lines, details = kept(tmp_path / "col", "lines"), kept(tmp_path / "col", "details")
    assert lines.keys() == details.keys() == contents(collection)
    assert {len(views) for views in details.values()} == {len(DETAIL_BOXES)}
    picture = Image.open(images / "0003.png").convert("RGB")
    expected = encode_images(GridEncoder(), [render_lines(picture)]).vectors
    expected /= np.linalg.norm(expected)
    assert lines[collection["0003.png"].sha256] == quantise(expected).tolist()
    assert collection.info().views == {"lines": 5, "details": 5}
    assert collection.verify() == ()


def test_nothing_is_kept_unless_it_is_asked_for(tmp_path: Path) -> None:
    collection = build(tmp_path / "col", draw_folder(tmp_path / "art", 3))
    assert collection.info().views == {}
    assert not any(view_path(tmp_path / "col", kind).exists() for kind in VIEW_KINDS)


def test_later_changes_follow_what_the_collection_has(tmp_path: Path) -> None:
    images, directory = draw_folder(tmp_path / "art", 4), tmp_path / "col"
    build(directory, images)
    build(directory, images, sketches=True)
    assert kept(directory, "lines").keys() == contents(Collection.open(directory))
    draw_folder(images, 3, first=10)
    encoder = GridEncoder()
    Collection.build(directory, [images], encoder=encoder)
    assert encoder.encoded == 6  # of the new ones only: the pictures, and their lines
    collection = Collection.open(directory)
    assert kept(directory, "lines").keys() == contents(collection)
    assert len(collection) == 7
    assert not view_path(directory, "details").exists()
    build(directory, images, sketches=False)
    assert not view_path(directory, "lines").exists()


def test_a_recipe_says_so_too(tmp_path: Path) -> None:
    file = tmp_path / "art.toml"
    file.write_text(
        'collection = "col"\n[images]\nsources = ["art"]\n[encoder]\nsketches = true\ndetails = false\n'
    )
    options = Recipe.load(file).options()
    assert (options.sketches, options.details) == (True, False)
    assert (BuildOptions().sketches, BuildOptions().details) == (None, None)


def test_views_of_what_was_removed_go_with_its_rows(tmp_path: Path) -> None:
    images, directory = draw_folder(tmp_path / "art", 6), tmp_path / "col"
    collection = build(directory, images, sketches=True, details=True)
    gone = collection["0002.png"].sha256
    collection.remove("0002.png")
    collection.compact()
    assert kept(directory, "lines").keys() == kept(directory, "details").keys() == contents(collection)
    assert gone not in kept(directory, "lines")


def test_moved_pictures_and_a_moved_folder_keep_their_views(tmp_path: Path) -> None:
    images, directory = draw_folder(tmp_path / "art", 4), tmp_path / "col"
    build(directory, images, sketches=True)
    before = view_path(directory, "lines").read_bytes()
    (images / "0001.png").rename(images / "moved.png")
    build(directory, images)
    Collection.open(directory).relocate(images, images.rename(tmp_path / "pictures"))
    assert view_path(directory, "lines").read_bytes() == before


def test_a_merge_takes_the_views_along(tmp_path: Path) -> None:
    for name, first in (("a", 0), ("b", 3)):
        build(tmp_path / name, draw_folder(tmp_path / f"art-{name}", 4, first=first), sketches=True)
    build(tmp_path / "c", draw_folder(tmp_path / "art-c", 2, first=20))
    maintenance.merge(tmp_path / "all", [tmp_path / "a", tmp_path / "b", tmp_path / "c"])
    together = kept(tmp_path / "a", "lines") | kept(tmp_path / "b", "lines")
    assert kept(tmp_path / "all", "lines") == together
    maintenance.merge(tmp_path / "all", tmp_path / "a")
    assert kept(tmp_path / "all", "lines") == together


def test_damage_is_told_dropped_and_made_good(tmp_path: Path) -> None:
    images, directory = draw_folder(tmp_path / "art", 5), tmp_path / "col"
    collection = build(directory, images, details=True)
    sound, path = kept(directory, "details"), view_path(directory, "details")
    content = bytearray(path.read_bytes())
    content[-3] ^= 8
    path.write_bytes(content)
    assert [(damage.file, damage.problem) for damage in collection.verify()] == [
        ("details.cache", "1 of 35 views are damaged")
    ]
    done = maintenance.repair(directory)
    assert done.complete
    assert [damage.file for damage in done.damages] == ["details.cache"]
    assert len(kept(directory, "details")) == 4
    build(directory, images)
    assert kept(directory, "details") == sound


def test_a_picture_that_changed_meanwhile_waits_for_the_next_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, directory = draw_folder(tmp_path / "art", 3), tmp_path / "col"
    run = views._Maker.run

    def changed(self: object, *arguments: object, **more: object) -> None:
        draw(images / "0001.png", 99)
        run(self, *arguments, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(views._Maker, "run", changed)
        collection = build(directory, images, sketches=True)
    assert len(kept(directory, "lines")) == 2
    assert kept(directory, "lines").keys() < contents(collection)
    assert contents(build(directory, images)) <= kept(directory, "lines").keys()


def test_a_killed_build_leaves_whole_views_and_the_next_makes_the_rest(
    tmp_path: Path, kill_rounds: int
) -> None:
    images, killed = draw_folder(tmp_path / "art", 12), tmp_path / "killed"
    build(tmp_path / "twin", images, sketches=True, details=True)
    expected = {kind: kept(tmp_path / "twin", kind) for kind in VIEW_KINDS}
    script = [sys.executable, os.fspath(SUPPORT / "small_build.py"), os.fspath(killed), os.fspath(images)]
    for number in range(kill_rounds):
        shutil.rmtree(killed, ignore_errors=True)
        with subprocess.Popen([*script, "grid", "views"], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(random.Random(number).uniform(0, 0.5))
            process.kill()
        for kind in VIEW_KINDS:
            if view_path(killed, kind).exists():
                for content, found in kept(killed, kind).items():
                    assert found == expected[kind][content][: len(found)]
        build(killed, images, sketches=True, details=True)
        assert {kind: kept(killed, kind) for kind in VIEW_KINDS} == expected
        assert Collection.open(killed).verify() == ()
