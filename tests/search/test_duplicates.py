"""Duplicates: the same file, pixels or drawing; which one to keep; what is never taken for a copy."""

import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Done, run
from documents import flattened
from drawings import drawing, save
from grids import GridEncoder, draw, touch
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_art import make_mixed_art
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageOps
from scipy.ndimage import uniform_filter

from i2v_search.choices import DuplicateKind, SimilarityName
from i2v_search.collection.collection import Collection
from i2v_search.encoders.base import Encoding
from i2v_search.errors import I2VSearchError, IndexStaleError, QueryError
from i2v_search.images.sources import open_stored
from i2v_search.pictures.contact_sheets import duplicates_picture
from i2v_search.pictures.drawing.cards import Tile, TileRow
from i2v_search.pictures.drawing.sheets import row_sheet
from i2v_search.progress import Progress
from i2v_search.search.duplicates import comparing, registering, stored_pictures
from i2v_search.search.duplicates.comparing import KINDS, THRESHOLD
from i2v_search.search.duplicates.groups import Duplicates
from i2v_search.search.duplicates.look_cache import CACHE_NAME

pytestmark = pytest.mark.integration


def build(folder: Path, sources: Sequence[Path] = (), **options: Any) -> Collection:
    return Collection.build(
        folder.parent / "collection", sources or [folder], encoder=GridEncoder(), **options
    )


def groups(found: Duplicates) -> list[tuple[str, list[str]]]:
    return [(group.kind, [member.path for member in group.members]) for group in found.groups]


@pytest.fixture
def art(tmp_path: Path) -> Path:
    """Drawing 1 four times, drawing 2 twice, drawings 3 to 6 once."""
    folder = tmp_path / "art"
    save(drawing(1), folder / "1.png")
    (folder / "1-copy.png").write_bytes((folder / "1.png").read_bytes())
    save(drawing(1), folder / "1-smaller-file.png", optimize=True, compress_level=9)
    save(drawing(1), folder / "1.jpg", quality=85)
    save(drawing(2), folder / "2.png")
    save(drawing(2).resize((300, 200), Image.Resampling.LANCZOS), folder / "2-smaller.webp", quality=80)
    for seed in range(3, 7):
        save(drawing(seed), folder / f"{seed}.png")
    return folder


# --- what is found


def test_each_kind_finds_what_it_says_and_what_is_stricter(art: Path) -> None:
    assert (art / "1-smaller-file.png").stat().st_size < (art / "1.png").stat().st_size
    collection = build(art)
    exact = ["1-copy.png", "1.png"]
    assert groups(collection.duplicates(kind="exact")) == [("exact", exact)]
    assert groups(collection.duplicates(kind="pixels")) == [("pixels", [*exact, "1-smaller-file.png"])]
    first, second = sorted(groups(collection.duplicates()), key=lambda group: group[1])
    assert (first[0], second) == ("near", ("near", ["2.png", "2-smaller.webp"]))
    assert sorted(first[1]) == sorted([*exact, "1-smaller-file.png", "1.jpg"])


def test_every_member_says_in_what_way_it_is_the_same(art: Path) -> None:
    group = next(group for group in build(art).duplicates().groups if len(group.members) == 4)
    best = group.best
    assert best.kind is None
    assert best.bytes == max(member.bytes for member in group.members)
    assert "near" in {copy.kind for copy in group.copies}
    order = [KINDS.index(copy.kind) for copy in group.copies if copy.kind is not None]
    assert order == sorted(order)
    assert len(order) == 3
    for member in group.members:
        with Image.open(art / member.path) as picture:
            assert (member.width, member.height) == picture.size
        assert member.bytes == (art / member.path).stat().st_size
        assert THRESHOLD <= member.score <= 1
    assert group.freed_bytes == sum(copy.bytes for copy in group.copies)


def test_the_best_has_most_pixels_then_the_largest_file_then_the_oldest_id(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    save(drawing(1), folder / "a-small.bmp")
    save(drawing(1).resize((960, 640), Image.Resampling.BICUBIC), folder / "b-large.jpg", quality=70)
    save(drawing(2), folder / "c.png", compress_level=9)
    save(drawing(2), folder / "d-larger-file.bmp")
    save(drawing(3), folder / "e.png")
    (folder / "f.png").write_bytes((folder / "e.png").read_bytes())
    assert {group.best.path for group in build(folder).duplicates().groups} == {
        "b-large.jpg",
        "d-larger-file.bmp",
        "e.png",
    }


@pytest.mark.parametrize("similarity", ["centred", "cosine", "l2", "hamming"])
def test_the_similarity_of_the_collection_does_not_matter(similarity: SimilarityName, art: Path) -> None:
    found = groups(build(art, similarity=similarity).duplicates())
    assert sorted(len(paths) for _, paths in found) == [2, 4]


# --- what is not a duplicate


def test_different_drawings_are_none_however_near_their_vectors(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    for seed in range(12):
        picture = Image.new("RGB", (240, 160), "white")
        picture.paste(drawing(seed).resize((24, 16)), (100, 70))
        save(picture, folder / f"{seed}.png")
    collection = build(folder)
    vectors = collection.vectors()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.count_nonzero(vectors @ vectors.T > 0.99) == len(vectors) ** 2
    assert collection.duplicates().groups == ()


@pytest.mark.parametrize("shape", [(9, 7), (6, 6, 3)])
@pytest.mark.parametrize("width", [3, 5])
def test_blocks_are_smoothed_as_scipy_does(shape: tuple[int, ...], width: int) -> None:
    values = np.random.default_rng(0).random(shape)
    sizes = (width, width, *(1 for _ in shape[2:]))
    expected = uniform_filter(values, sizes, mode="nearest")
    np.testing.assert_allclose(registering._smooth(values, width), expected, rtol=1e-5)


def test_another_colour_or_another_mouth_makes_another_picture(tmp_path: Path) -> None:
    def face(shirt: str, mouth: tuple[int, int]) -> Image.Image:
        picture = Image.new("RGB", (200, 200), "white")
        draw_on = ImageDraw.Draw(picture)
        draw_on.rectangle((40, 150, 160, 200), fill=shirt)
        draw_on.ellipse((50, 30, 150, 150), fill="#ffd8b0", outline="black", width=4)
        for x in (80, 115):
            draw_on.ellipse((x, 70, x + 8, 78), fill="black")
        draw_on.arc((80, 90, 120, 130), *mouth, fill="black", width=5)
        return picture

    folder = tmp_path / "art"
    save(face("#7a5cff", (20, 160)), folder / "smile.png")
    save(face("#ad4c10", (20, 160)), folder / "shirt.png")
    save(face("#7a5cff", (200, 340)), folder / "frown.png")
    collection = build(folder)
    assert collection.duplicates(threshold=0.5).groups == ()
    (group,) = collection.duplicates(kind="variants", threshold=0.5).groups
    assert (group.kind, len(group.members), group.removable, group.freed_bytes) == ("variants", 2, (), 0)
    listed = command(collection, "--kind", "variants", "--threshold", "0.5", "-f")
    assert (listed.returncode, listed.stdout) == (0, "")


def cut(picture: Image.Image) -> Image.Image:
    return picture.crop((12, 8, picture.width - 5, picture.height - 9))


def framed(picture: Image.Image) -> Image.Image:
    return ImageOps.expand(picture, 12, "white")


def touched_up(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Sharpness(ImageEnhance.Brightness(picture).enhance(0.95)).enhance(1.3)


@pytest.mark.parametrize("change", [cut, framed, touched_up], ids=lambda change: change.__name__)
def test_what_is_cut_framed_or_touched_up_is_near(
    change: Callable[[Image.Image], Image.Image], tmp_path: Path
) -> None:
    folder = tmp_path / "art"
    save(drawing(7), folder / "original.png")
    save(change(drawing(7)), folder / "changed.jpg", quality=92)
    larger = "original.png" if change is cut else "changed.jpg"
    (group,) = build(folder).duplicates(threshold=0.5).groups
    assert (group.kind, group.best.path) == ("near", larger)


def test_a_part_is_no_copy_where_it_would_be_kept_for_the_whole(tmp_path: Path) -> None:
    """Enlarged, a cut picture has more pixels than the whole one, which shows more."""
    folder = tmp_path / "art"
    save(drawing(7), folder / "whole.png")
    part = drawing(7).crop((40, 0, 480, 320))
    save(part.resize((880, 640), Image.Resampling.BICUBIC), folder / "part.png")
    assert build(folder).duplicates(threshold=0.5).groups == ()


def frames(seeds: Sequence[int]) -> list[Image.Image]:
    return [drawing(seed, (96, 64)).quantize(32).convert("RGB") for seed in seeds]


def save_frames(seeds: Sequence[int], path: Path, **options: Any) -> Path:
    first, *others = frames(seeds)
    return save(first, path, save_all=True, append_images=others, **options)


SEVERAL: dict[str, dict[str, Any]] = {
    "gif": {"duration": 100},
    "webp": {"duration": 100, "lossless": True},
    "png": {"duration": 100},
    "tif": {},
    "mpo": {},
    "avif": {"duration": 100, "quality": 100},
}


@pytest.mark.parametrize("extension", SEVERAL)
def test_files_that_share_a_first_frame_are_no_copies(extension: str, tmp_path: Path) -> None:
    folder, options = tmp_path / "art", SEVERAL[extension]
    save_frames([1, 2, 3], folder / f"a.{extension}", **options)
    save_frames([1, 2, 4], folder / f"b.{extension}", **options)
    save_frames([1, 2], folder / f"shorter.{extension}", **options)
    if "duration" in options:
        save_frames([1, 2, 3], folder / f"slower.{extension}", **{**options, "duration": 300})
    save_frames([1], folder / f"still.{extension}", **{k: v for k, v in options.items() if k != "duration"})
    collection = build(folder)
    assert collection.duplicates(threshold=0.01).groups == ()


def test_icons_that_share_the_largest_picture_are_no_copies(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    folder.mkdir()
    for name, seed in (("a", 2), ("b", 3)):
        small = drawing(seed, (16, 16))
        drawing(1, (64, 64)).save(
            folder / f"{name}.ico", sizes=[(64, 64), (16, 16)], append_images=[small], bitmap_format="bmp"
        )
    assert build(folder).duplicates(threshold=0.01).groups == ()


def test_the_same_animation_in_two_formats_is_the_same_pixels(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    save_frames([1, 2, 3], folder / "a.png", duration=100)
    save_frames([1, 2, 3], folder / "b.webp", duration=100, lossless=True)
    assert [kind for kind, _ in groups(build(folder).duplicates())] == ["pixels"]


def test_another_alpha_makes_another_picture(tmp_path: Path) -> None:
    """Both look the same on white: one is white there, the other is nothing."""
    folder = tmp_path / "art"
    flat = drawing(1)
    save(flat, folder / "flat.png")
    clear = flat.convert("RGBA")
    ground = Image.new("L", flat.size, 255)
    ground.paste(0, mask=ImageChops.invert(flat.convert("L").point(lambda level: 255 * (level < 250))))
    clear.putalpha(ground)
    save(clear, folder / "clear.png")
    save(clear, folder / "clear.webp", lossless=True, exact=True)
    assert [paths for _, paths in groups(build(folder).duplicates())] == [["clear.png", "clear.webp"]]


def test_white_drawings_on_nothing_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    for seed in (1, 2):
        lines = ImageChops.invert(drawing(seed).convert("L").point(lambda level: 255 * (level > 60)))
        white = Image.new("RGBA", lines.size, "white")
        white.putalpha(lines)
        save(white, folder / f"{seed}.png")
    collection = build(folder)
    assert collection.duplicates(threshold=0.01).groups == ()
    (hit,) = collection.search("1.png").hits
    assert hit.score < 0.999


def test_in_a_mixed_folder_no_variant_is_a_copy_and_copies_are_found(tmp_path: Path) -> None:
    made = make_mixed_art(tmp_path / "mixed", count=150)

    def original(path: str) -> str:
        return original(made[path].original) if made[path].kind == "copy" else path

    collection = build(tmp_path / "mixed")
    found = collection.duplicates(threshold=0.5)
    best = {member.path: group.best.path for group in found.groups for member in group.members}
    for group in found.groups:
        assert len({original(member.path) for member in group.members}) == 1, group
    stored = {collection.stored_path(number) for number in collection.ids}
    copies = [path for path in made if path in stored and made[path].kind == "copy"]
    together = [path for path in copies if best.get(path, path) == best.get(made[path].original, "")]
    assert len(together) >= 0.8 * len(copies) > 5


def test_two_white_pages_are_the_same_only_where_size_and_pixels_are(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    save(Image.new("RGB", (60, 80), "white"), folder / "a.png")
    save(Image.new("RGB", (60, 80), "white"), folder / "b.bmp")
    save(Image.new("RGB", (120, 160), "white"), folder / "larger.png")
    save(Image.new("RGB", (60, 80), "#fefefe"), folder / "paler.png")
    assert groups(build(folder).duplicates()) == [("pixels", ["b.bmp", "a.png"])]


def test_a_chain_does_not_join_pictures_that_are_not_near_each_other(tmp_path: Path) -> None:
    """A picture that darkens step by step: neighbours are near, the ends are not."""
    folder = tmp_path / "art"
    steps = 6
    for number in range(steps):
        black = Image.new("RGB", (480 - number, 320))
        save(Image.blend(drawing(1, black.size), black, 0.08 * number), folder / f"{number}.png")
    found = build(folder).duplicates(threshold=0.5)
    assert {frozenset(paths) for _, paths in groups(found)} == {
        frozenset({f"{number}.png", f"{number + 1}.png"}) for number in range(0, steps, 2)
    }


# --- many copies


def test_many_copies_of_a_file_do_not_hide_a_near_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "NEIGHBOURS", 3)
    folder = tmp_path / "art"
    content = save(drawing(1), folder / "00.png").read_bytes()
    for number in range(1, 40):
        (folder / f"{number:02}.png").write_bytes(content)
    save(drawing(1), folder / "near.jpg", quality=80)
    save(drawing(2), folder / "other.png")
    found = build(folder).duplicates()
    assert [(group.kind, len(group.members)) for group in found.groups] == [("near", 41)]


@pytest.mark.parametrize("limit", [4, 1000])
def test_more_near_copies_than_neighbours_come_into_one_group(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "NEIGHBOURS", 3)
    monkeypatch.setattr(comparing, "MANY_NEIGHBOURS", limit)
    folder = tmp_path / "art"
    for seed in (1, 2):
        for quality in range(70, 85):
            save(drawing(seed), folder / f"{seed}-{quality}.jpg", quality=quality)
    found = build(folder).duplicates()
    assert [len(group.members) for group in found.groups] == [15, 15]
    assert {len({member.path[0] for member in group.members}) for group in found.groups} == {1}


def test_few_fingerprints_are_held_at_a_time(art: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = build(art)
    expected = groups(collection.duplicates())
    monkeypatch.setattr(stored_pictures, "HELD", 2)
    assert groups(collection.duplicates()) == expected


def test_images_without_a_neighbour_are_not_read(art: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = build(art)
    read: list[str] = []
    inner = open_stored

    def counted(root: Path, path: str, **options: bool) -> bytes:
        read.append(path)
        return inner(root, path, **options)

    monkeypatch.setattr(stored_pictures, "open_stored", counted)
    collection.duplicates(kind="exact")
    assert read == []
    collection.duplicates(threshold=0.999)
    assert {"1-smaller-file.png", "1.jpg", "2.png", "2-smaller.webp"} < set(read)
    assert not {"1.png", "3.png", "4.png", "5.png", "6.png"} & set(read)
    assert len(read) == len(set(read))


class SizeEncoder(GridEncoder):
    """Vectors that turn away from that of 800 pixels of width, by 0.001 for each pixel less."""

    def prepare(self, image: Image.Image) -> Any:
        return image.width

    def encode(self, inputs: Sequence[Any]) -> Encoding:
        turns = (800 - np.asarray(inputs)) / 1000
        vectors = np.zeros((len(turns), self.info.dimension), np.float32)
        vectors[:, 0], vectors[:, 1] = np.cos(turns), np.sin(turns)
        return Encoding(vectors, None)


@pytest.mark.parametrize(("others", "found"), [(5, True), (6, False)])
def test_so_many_other_pictures_are_looked_at_and_no_more(
    others: int, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neighbours come in blocks of two; each other picture counts once."""
    monkeypatch.setattr(comparing, "NEIGHBOURS", 2)
    monkeypatch.setattr(comparing, "OTHERS", 6)
    folder = tmp_path / "art"
    save(drawing(1, (800, 500)), folder / "original.png")
    for number in range(1, others + 1):
        save(drawing(100 + number, (800 - number, 500)), folder / f"other-{number}.png")
    save(drawing(1, (800, 500)).resize((790, 494)), folder / "copy.png")
    collection = Collection.build(
        tmp_path / "collection", [folder], encoder=SizeEncoder(), similarity="cosine"
    )
    expected = [("near", ["original.png", "copy.png"])] if found else []
    assert groups(collection.duplicates(threshold=0.5)) == expected


# --- over several runs


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []

    def counted(root: Path, path: str, **options: bool) -> bytes:
        read.append(path)
        return open_stored(root, path, **options)

    monkeypatch.setattr(stored_pictures, "open_stored", counted)
    return read


def test_a_second_run_reads_only_what_is_new_or_was_touched(
    art: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = build(art)
    first = groups(collection.duplicates())
    read = reads(monkeypatch)
    assert groups(Collection.open(collection.directory).duplicates()) == first
    assert read == []
    touch(art / "2.png")
    assert groups(collection.duplicates()) == first
    assert read == ["2.png"]
    read.clear()
    save(drawing(2), art / "2-new.jpg", quality=95)
    collection = build(art)
    assert len(collection.duplicates().groups) == 2
    assert set(read) <= {"2-new.jpg", "2.png"}
    assert "2-new.jpg" in read
    monkeypatch.undo()
    assert collection.verify() == ()
    save(drawing(9), art / "2.png")
    assert "2.png" in {skipped.path for skipped in collection.duplicates().unreadable}


@pytest.mark.parametrize("damage", ["deleted", "empty", "cut", "bytes", "table", "foreign"])
def test_a_damaged_cache_is_made_again(damage: str, art: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = build(art)
    first = groups(collection.duplicates())
    cache = collection.directory / CACHE_NAME
    content = cache.read_bytes()
    if damage == "deleted":
        cache.unlink()
    elif damage == "foreign":
        cache.unlink()
        cache.mkdir()
    else:
        damaged = bytearray(content)
        damaged[-9] ^= 255
        damaged[40] ^= 255 * (damage == "table")
        cache.write_bytes({"empty": b"", "cut": content[:-99]}.get(damage, bytes(damaged)))
    read = reads(monkeypatch)
    assert groups(collection.duplicates()) == first
    assert read
    if damage != "foreign":
        read.clear()
        assert groups(collection.duplicates()) == first
        assert read == []


def test_whoever_stops_finds_what_was_looked_at_again(art: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = build(art)

    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collection.duplicates(report=stop)
    read = reads(monkeypatch)
    assert len(collection.duplicates().groups) == 2
    assert read == []


def test_the_cache_holds_only_what_the_collection_holds(art: Path) -> None:
    collection = build(art)
    collection.duplicates()
    size = (collection.directory / CACHE_NAME).stat().st_size
    collection.remove(["1.png", "1-copy.png", "1.jpg", "1-smaller-file.png"])
    save(drawing(2), art / "2-new.jpg", quality=95)
    collection.add([art / "2-new.jpg"])
    collection.duplicates()
    assert (collection.directory / CACHE_NAME).stat().st_size < size
    assert list(collection.directory.glob(".*.tmp")) == []


# --- files as they are now


def test_files_that_are_gone_changed_or_damaged_are_reported_and_in_no_group(art: Path) -> None:
    collection = build(art)
    (art / "2-smaller.webp").unlink()
    (art / "1-copy.png").unlink()
    save(drawing(9), art / "1.jpg")
    found = collection.duplicates()
    assert {skipped.path: skipped.reason.split(";")[0] for skipped in found.unreadable} == {
        "1-copy.png": "no such file",
        "1.jpg": "changed since it was added",
        "2-smaller.webp": "no such file",
    }
    assert groups(found) == [("pixels", ["1.png", "1-smaller-file.png"])]


def test_the_kept_one_is_there_even_where_no_file_is_read(art: Path) -> None:
    (art / "1-third.png").write_bytes((art / "1.png").read_bytes())
    collection = build(art)
    (art / "1-copy.png").unlink()
    found = collection.duplicates(kind="exact")
    assert groups(found) == [("exact", ["1-third.png", "1.png"])]
    assert [skipped.path for skipped in found.unreadable] == ["1-copy.png"]
    (art / "1.png").write_bytes(b"shorter")
    assert collection.duplicates(kind="exact").groups == ()


def test_another_copy_is_looked_at_where_the_first_cannot_be_read(art: Path) -> None:
    collection = build(art)
    content = (art / "1-copy.png").read_bytes()
    (art / "1-copy.png").write_bytes(b"\0" * len(content))
    found = collection.duplicates(kind="pixels")
    assert groups(found) == [("pixels", ["1.png", "1-smaller-file.png"])]
    assert [skipped.path for skipped in found.unreadable] == ["1-copy.png"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_a_file_is_no_copy_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    save(drawing(1), folder / "b.png")
    (folder / "a.png").symlink_to("b.png")
    os.link(folder / "b.png", folder / "c.png")
    collection = build(folder)
    assert len(collection) == 3
    assert collection.duplicates().groups == ()
    (folder / "d.png").write_bytes((folder / "b.png").read_bytes())
    collection.add([folder / "d.png"])
    (group,) = collection.duplicates(kind="exact").groups
    assert len(group.members) == 2
    assert "a.png" not in {member.path for member in group.members}


def test_a_document_that_shows_a_picture_is_told_and_never_removable(tmp_path: Path, art: Path) -> None:
    (picture, *others) = sorted(art.iterdir())
    for path in others:
        path.unlink()
    for name in ("layers.psd", "layers.kra"):
        with Image.open(picture) as shown:
            (art / name).write_bytes(flattened(shown.convert("RGB"), name[-4:]))
    collection = Collection.build(tmp_path / "collection", [art], encoder=GridEncoder())
    (group,) = collection.duplicates().groups
    assert {member.path for member in group.members} == {picture.name, "layers.psd", "layers.kra"}
    assert not any(copy.path.startswith("layers") for copy in group.removable)


def test_copies_in_archives_are_told_but_cannot_be_removed_alone(tmp_path: Path, art: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        archive.write(art / "3.png", "in.png")
        archive.write(art / "4.png", "four.png")
    for path in art.iterdir():
        if path.name != "3.png":
            path.unlink()
    collection = Collection.build(
        tmp_path / "collection", [tmp_path / "pack.zip", art], encoder=GridEncoder()
    )
    (group,) = collection.duplicates().groups
    assert {member.path: member.in_archive for member in group.members} == {
        "pack.zip!/in.png": True,
        "art/3.png": False,
    }
    assert [copy.path for copy in group.removable] == [
        copy.path for copy in group.copies if copy.path == "art/3.png"
    ]
    assert group.freed_bytes == sum(copy.bytes for copy in group.removable)


# --- over time


def test_what_was_removed_is_in_no_group(art: Path) -> None:
    collection = build(art)
    collection.remove(["1-copy.png", "2.png"])
    assert groups(collection.duplicates(kind="exact")) == []
    (group,) = collection.duplicates().groups
    assert {member.path for member in group.members} == {"1.png", "1-smaller-file.png", "1.jpg"}
    assert groups(Collection.open(collection.directory).duplicates()) == groups(collection.duplicates())


def test_an_empty_collection_and_one_image_have_none(art: Path) -> None:
    collection = build(art)
    collection.remove(collection.ids[1:])
    assert collection.duplicates().groups == ()
    collection.remove(collection.ids)
    assert collection.duplicates().groups == ()


def test_exact_needs_no_index(art: Path) -> None:
    collection = Collection.extract(art.parent / "collection", [art], encoder=GridEncoder())
    assert len(collection.duplicates(kind="exact").groups) == 1
    with pytest.raises(IndexStaleError):
        collection.duplicates()


@pytest.mark.parametrize("options", [{"threshold": 0}, {"threshold": 1.1}, {"kind": "similar"}])
def test_what_does_not_exist_cannot_be_asked_for(options: dict[str, Any], art: Path) -> None:
    with pytest.raises(QueryError, match=r"threshold|similar"):
        build(art).duplicates(**options)


# --- the answer


def test_the_order_is_by_what_is_freed_then_by_id_and_the_same_every_time(art: Path) -> None:
    for seed in (20, 21):
        picture = draw(art / f"{seed}.bmp", seed, size=(40, 30))
        (art / f"{seed}-copy.bmp").write_bytes(picture.read_bytes())
    collection = build(art)
    found = collection.duplicates()
    keys = [(-group.freed_bytes, group.best.id) for group in found.groups]
    assert keys == sorted(keys)
    assert len({key[0] for key in keys}) < len(keys)
    assert collection.duplicates().groups == found.groups
    assert found.freed_bytes == -sum(key[0] for key in keys)


def test_the_answer_is_json(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    save(drawing(1), folder / "one.png")
    (folder / "one.png").rename(folder / os.fsdecode(b"\xff.png"))
    (folder / "two.png").write_bytes((folder / os.fsdecode(b"\xff.png")).read_bytes())
    document = json.loads(json.dumps(build(folder).duplicates().to_dict()))
    (group,) = document["groups"]
    assert {member["path"] for member in group["members"]} == {"\\xff.png", "two.png"}
    assert group["members"][0]["kind"] is None
    assert document["freed_bytes"] == group["freed_bytes"] == group["members"][1]["bytes"]
    assert document["unreadable"] == []
    assert document["seconds"] > 0


def test_progress_ends_at_the_number_of_contents(art: Path) -> None:
    seen: list[Progress] = []
    build(art).duplicates(report=seen.append)
    assert (seen[-1].done, seen[-1].total) == (9, 9)


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["png", "bmp", "jpg", "smaller"])),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(KINDS),
)
def test_groups_are_disjoint_of_one_drawing_and_complete(
    plan: list[tuple[int, str]], kind: DuplicateKind
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "art"
        for number, (seed, form) in enumerate(plan):
            picture = drawing(seed)
            if form == "smaller":
                picture = picture.resize((360, 240), Image.Resampling.LANCZOS)
            extension = "png" if form == "smaller" else form
            save(picture, folder / f"{number:02}-{seed}-{form}.{extension}")
        found = build(folder).duplicates(kind=kind)
        members = [member.path for group in found.groups for member in group.members]
        assert len(members) == len(set(members))
        told = {frozenset(member.path for member in group.members) for group in found.groups}
        expected: dict[Any, set[str]] = {}
        for number, (seed, form) in enumerate(plan):
            extension = "png" if form == "smaller" else form
            pixels = "png" if form == "bmp" else form
            key = {"exact": (seed, form), "pixels": (seed, pixels), "near": seed, "variants": seed}[kind]
            expected.setdefault(key, set()).add(f"{number:02}-{seed}-{form}.{extension}")
        assert told == {frozenset(paths) for paths in expected.values() if len(paths) > 1}


# --- the sheet


def test_the_sheet_has_a_row_for_each_group_and_says_what_is_left_out(art: Path) -> None:
    collection = build(art)
    found = collection.duplicates()
    both, one, narrow = (
        duplicates_picture(collection, found, groups=count, columns=columns)
        for count, columns in ((9, 6), (1, 6), (1, 2))
    )
    assert both.mode == "RGB"
    assert both.height > 1.5 * one.height
    assert narrow.width < one.width
    (art / "2.png").unlink()
    assert duplicates_picture(collection, found).size == both.size
    with pytest.raises(I2VSearchError, match="at least one row"):
        duplicates_picture(collection, Duplicates((), (), 0))


def test_the_kept_one_is_framed_and_stands_first() -> None:
    red, blue = (Image.new("RGB", (64, 64), colour) for colour in ("red", "blue"))
    row = TileRow("two", [Tile(red, "a", highlight=True, note="keep"), Tile(blue, "b", note="near")])
    sheet = np.asarray(row_sheet([row, row], tile_size=100))
    frame = (sheet == (13, 148, 136)).all(axis=2)
    left = (sheet == (255, 0, 0)).all(axis=2)
    right = (sheet == (0, 0, 255)).all(axis=2)
    assert frame.any()
    assert frame.nonzero()[1].max() < right.nonzero()[1].min()
    assert left.nonzero()[1].max() < right.nonzero()[1].min()
    assert left.sum() == right.sum()


def test_notes_and_headings_take_room_only_where_there_are_any() -> None:
    tile = Tile(Image.new("RGB", (9, 9)), "x")
    noted = Tile(tile.image, "x", note="y")
    assert row_sheet([TileRow("", [noted])]).height > row_sheet([TileRow("", [tile])]).height
    with pytest.raises(I2VSearchError):
        row_sheet([TileRow("nothing", [])])


# --- the command


def command(collection: Collection, *arguments: str | Path) -> Done:
    return run("duplicates", "-c", collection.directory, *arguments)


def test_the_command_prints_groups_json_and_the_files_that_can_go(art: Path, tmp_path: Path) -> None:
    collection = build(art)
    found = collection.duplicates()
    copies = {os.fsencode(art / copy.path) for group in found.groups for copy in group.removable}
    listed = command(collection, "--paths-only", "--sheet", tmp_path / "sheet.png")
    assert listed.returncode == 0, listed.stderr
    assert set(os.fsencode(listed.stdout).splitlines()) == copies
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == duplicates_picture(collection, found).size
    document = json.loads(command(collection, "--json", "--kind", "exact").stdout)
    assert [group["kind"] for group in document["groups"]] == ["exact"]
    (art / "2.png").unlink()
    shown = command(collection)
    assert shown.returncode == 0
    assert shown.stdout.count("keep ") == 1
    assert "2.png: no such file" in shown.stderr
    none = command(collection, "--kind", "exact", "--threshold", "2")
    assert none.returncode == 2
