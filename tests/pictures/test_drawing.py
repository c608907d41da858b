"""Contact sheets, strips and walks: every picture in its place, captions that fit, clear refusals."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from i2v_search.errors import I2VSearchError
from i2v_search.pictures.drawing import fonts
from i2v_search.pictures.drawing.cards import Tile
from i2v_search.pictures.drawing.scatter import part_boxes, place_around
from i2v_search.pictures.drawing.sheets import contact_sheet
from i2v_search.pictures.drawing.strips import morph_strip
from i2v_search.pictures.drawing.walks import draw_walk

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255), (128, 64, 0)]
HIGHLIGHT, FIRST, LAST = (79, 70, 229), (13, 148, 136), (225, 82, 40)


def tile(number: int, size: tuple[int, int] = (64, 64), **options: bool | float) -> Tile:
    return Tile(Image.new("RGB", size, COLOURS[number]), f"{number}.png", **options)  # type: ignore[arg-type]


def where(picture: Image.Image, colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.asarray((np.asarray(picture) == colour).all(axis=2))


def box(picture: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of everything of exactly this colour."""
    rows, columns = where(picture, colour).nonzero()
    assert len(rows), f"no pixel is {colour}"
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def text_below(picture: Image.Image, number: int) -> int:
    """Width of the dark text below a tile's picture."""
    left, _, right, bottom = box(picture, COLOURS[number])
    caption = np.asarray(picture.convert("L"))[bottom + 8 : bottom + 32, left - 10 : right + 10]
    columns = np.flatnonzero((caption < 100).any(axis=0))
    return int(columns[-1] - columns[0] + 1)


def test_each_picture_stands_in_its_row_and_column() -> None:
    sheet = contact_sheet([tile(i) for i in range(7)], columns=3, tile_size=120)
    boxes = [box(sheet, COLOURS[i]) for i in range(7)]
    assert all((right - left, bottom - top) == (120, 120) for left, top, right, bottom in boxes)
    lefts, tops = [b[0] for b in boxes], [b[1] for b in boxes]
    assert lefts[:3] == lefts[3:6]
    assert lefts[6] == lefts[0]
    assert tops[0] == tops[1] == tops[2] < tops[3] == tops[4] == tops[5] < tops[6]
    assert lefts[2] - lefts[1] == lefts[1] - lefts[0]
    assert tops[6] - tops[3] == tops[3] - tops[0]
    assert lefts[0] == sheet.width - boxes[2][2]
    assert sheet.mode == "RGB"
    assert sheet.getpixel((0, 0)) == sheet.getpixel((sheet.width - 1, sheet.height - 1)) == (255, 255, 255)


def test_a_sheet_is_no_wider_than_its_tiles_and_a_title_makes_it_taller() -> None:
    one, five = contact_sheet([tile(0)]), contact_sheet([tile(i) for i in range(5)])
    assert one.width < five.width / 3
    assert one.height == five.height
    titled = contact_sheet([tile(0)], title="Hits")
    assert titled.width == one.width
    assert titled.height > one.height
    assert (np.asarray(titled.convert("L"))[: titled.height - one.height] < 100).any()


@pytest.mark.parametrize(
    ("size", "drawn"), [((300, 100), (120, 40)), ((50, 200), (30, 120)), ((9, 9), (120, 120))]
)
def test_pictures_are_fitted_and_centred_not_stretched(size: tuple[int, int], drawn: tuple[int, int]) -> None:
    square = box(contact_sheet([tile(0)], tile_size=120), COLOURS[0])
    left, top, right, bottom = box(contact_sheet([tile(0, size)], tile_size=120), COLOURS[0])
    assert (right - left, bottom - top) == drawn
    assert (left + right, top + bottom) == (square[0] + square[2], square[1] + square[3])


@pytest.mark.parametrize("size", [(6000, 5000), (20_000, 1), (1, 20_000)])
def test_huge_and_thin_pictures_are_reduced(size: tuple[int, int]) -> None:
    reduced = contact_sheet([tile(0, size)], tile_size=120)
    assert reduced.size == contact_sheet([tile(0)], tile_size=120).size
    left, top, right, bottom = box(reduced, COLOURS[0])
    assert max(right - left, bottom - top) == 120


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "YCbCr"])
def test_any_mode_is_drawn(mode: str) -> None:
    drawn = contact_sheet([Tile(Image.new(mode, (30, 30)), "x")], tile_size=64)
    assert drawn.mode == "RGB"


def test_transparency_is_shown_over_white() -> None:
    glass = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    glass.paste((0, 0, 255, 255), (0, 0, 64, 32))
    drawn = contact_sheet([Tile(glass, "x")], tile_size=128)
    left, top, right, bottom = box(drawn, (0, 0, 255))
    assert bottom - top == pytest.approx(64, abs=3)
    assert drawn.getpixel(((left + right) // 2, bottom + 30)) == (255, 255, 255)


def test_a_long_caption_is_cut_to_the_card_and_leaves_room_for_the_score() -> None:
    long = Tile(Image.new("RGB", (9, 9), COLOURS[0]), "M" * 500)
    sheet = contact_sheet([long, tile(1)], tile_size=100)
    assert 80 < text_below(sheet, 0) <= 100
    scored = Tile(long.image, long.caption, score=0.5)
    assert text_below(contact_sheet([scored], tile_size=100), 0) < text_below(sheet, 0) - 15


def test_a_cut_caption_ends_with_one_ellipsis() -> None:
    text, font = fonts.fit_text("a_long_name_of_a_file.png", 14, 100)
    assert text.endswith("…")
    assert text[:-1] == "a_long_name_of_a_file.png"[: len(text) - 1]
    assert text[-2].isalnum()
    assert font.getlength(text) <= 100
    assert font.getlength(text) > 80
    assert fonts.fit_text("short.png", 14, 100)[0] == "short.png"
    assert fonts.fit_text("anything", 14, 0)[0] == "…"


def test_a_cut_never_parts_a_letter_from_its_accent() -> None:
    accented = "x\u0301" * 40  # no letter of its own in Unicode
    for room in range(20, 120, 3):
        text, _ = fonts.fit_text(accented, 14, room)
        assert text[:-1] == "x\u0301" * (len(text) // 2)


def test_letters_and_accents_that_are_stored_apart_are_drawn_as_one() -> None:
    apart, composed = "Cafe\u0301 A\u030angstro\u0308m.png", "Caf\u00e9 \u00c5ngstr\u00f6m.png"
    assert fonts.fit_text(apart, 14, 500)[0] == composed
    sheets = [contact_sheet([Tile(Image.new("RGB", (40, 40), "red"), name)]) for name in (apart, composed)]
    assert sheets[0].tobytes() == sheets[1].tobytes()


def test_captions_of_any_text_are_drawn_on_one_line() -> None:
    assert fonts.fit_text("bad\udcff\ud800.png", 14, 500)[0] == r"bad\xff\ud800.png"
    assert fonts.fit_text("two\nlines  and\x00more\x1b[31m", 14, 500)[0] == r"two\nlines and\x00more\x1b[31m"
    assert fonts.fit_text("a\u202egnp.exe", 14, 500)[0] == r"a\u202egnp.exe"
    captions = ["", " ", "カモメのイラスト.png", "Жар-птица", "👩‍👩‍👧.png", "\udcff", "\u202eabc", "a\nb"]
    blank = contact_sheet([tile(0)] * len(captions))
    tiles = [Tile(Image.new("RGB", (9, 9)), caption, score=-1.0) for caption in captions]
    assert contact_sheet(tiles).size == blank.size


def test_a_font_that_has_the_letters_is_preferred() -> None:
    assert fonts._font_for("plain_name-01.png…", 14).getname() == fonts.built_in(14).getname()
    assert not fonts._has_glyph(None, "Ж")
    if fonts._installed("DejaVuSans.ttf", 14) is not None:
        assert fonts._font_for("Жар", 14).getname() != fonts.built_in(14).getname()


def test_only_the_highlighted_tile_is_framed() -> None:
    plain = contact_sheet([tile(0), tile(1)])
    assert not where(plain, HIGHLIGHT).any()
    framed = contact_sheet([tile(0), tile(1, highlight=True)])
    left, top, right, bottom = box(framed, HIGHLIGHT)
    inner = box(framed, COLOURS[1])
    assert left < inner[0] < inner[2] < right
    assert top < inner[1] < inner[3] < bottom
    assert left > box(framed, COLOURS[0])[2]
    assert framed.size == plain.size


def test_a_strip_is_one_even_row_with_both_ends_framed() -> None:
    strip = morph_strip([tile(i) for i in range(5)], tile_size=100)
    boxes = [box(strip, COLOURS[i]) for i in range(5)]
    assert len({b[1] for b in boxes}) == 1
    assert len({after[0] - before[0] for before, after in pairwise(boxes)}) == 1
    for colour, end in ((FIRST, boxes[0]), (LAST, boxes[4])):
        left, top, right, bottom = box(strip, colour)
        assert left < end[0] < end[2] < right
        assert top < end[1] < end[3] < bottom
        assert right - left < 150
    assert strip.width - boxes[4][2] == boxes[0][0]


def test_arrows_stand_between_all_tiles_and_hops_above_them() -> None:
    tiles = [tile(i) for i in range(4)]
    bare, labelled = morph_strip(tiles), morph_strip(tiles, hops=[0.1, 1.5, 0.25])
    assert bare.size == labelled.size
    boxes = [box(bare, COLOURS[i]) for i in range(4)]
    changed = (np.asarray(bare) != np.asarray(labelled)).any(axis=2)
    for before, after in pairwise(boxes):
        middle = (before[1] + before[3]) // 2
        gap = slice(before[2] + 20, after[0] - 20)
        assert (np.asarray(bare.convert("L"))[middle - 2 : middle + 2, gap] < 200).any()
        assert changed[middle - 40 : middle - 8, gap].any()
        assert not changed[middle - 2 :, gap].any()
    assert not changed[:, boxes[1][0] : boxes[1][2]].any()


def test_an_intermediate_may_be_highlighted() -> None:
    strip = morph_strip([tile(0), tile(1, highlight=True), tile(2)])
    assert box(strip, COLOURS[0])[2] < box(strip, HIGHLIGHT)[0] < box(strip, COLOURS[1])[0]


@pytest.mark.parametrize(("count", "columns"), [(2, 2), (8, 8), (9, 5), (16, 8), (22, 8)])
def test_a_long_strip_has_rows_as_even_as_they_can_be(count: int, columns: int) -> None:
    plain = Tile(Image.new("RGB", (64, 64), (1, 2, 3)), "")
    strip = morph_strip([plain] * count, tile_size=100)
    one = morph_strip([plain] * 2, tile_size=100, columns=1)
    rows = -(-count // columns)
    centre = np.asarray(strip)[:, :, :] == (1, 2, 3)
    pictures = centre.all(axis=2)
    assert pictures.sum() == pytest.approx(count * 100 * 100, rel=0.01)
    starts = np.flatnonzero(np.diff(pictures.any(axis=1).astype(int)) == 1)
    assert len(starts) == rows
    across = np.flatnonzero(np.diff(pictures[starts[0] + 50].astype(int)) == 1)
    assert len(across) == columns
    assert strip.height < rows * one.height
    # Behind the last card of a row stands the arrow to the next.
    right = np.asarray(strip.convert("L"))[starts[0] + 51, across[-1] + 115 :]
    assert (right < 200).any() == (rows > 1)


def test_waypoints_are_marked_in_turn_and_the_largest_hop_is_darker() -> None:
    tiles = [tile(0), tile(1, highlight=True), tile(2), tile(3, highlight=True), tile(4)]
    strip = morph_strip(tiles, hops=[0.5, 0.5, 0.9, 0.5])
    assert where(strip, HIGHLIGHT).sum() > 2 * where(morph_strip(tiles[:3]), HIGHLIGHT).sum() * 0.9
    boxes = [box(strip, COLOURS[i]) for i in range(5)]
    darkest = []
    for before, after in pairwise(boxes):
        middle = (before[1] + before[3]) // 2
        label = np.asarray(strip.convert("L"))[middle - 40 : middle - 12, before[2] + 20 : after[0] - 20]
        darkest.append(int(label.min()))
    assert darkest.index(min(darkest)) == 2


def overlaps(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


@pytest.mark.parametrize("seed", range(5))
def test_a_walk_shows_every_picture_whole(seed: int) -> None:
    random = np.random.default_rng(seed)
    colours = [(10 + 20 * i, 250 - 9 * i, 5) for i in range(12)]
    tiles = [
        Tile(Image.new("RGB", (64, 64), colour), "", highlight=i == 3) for i, colour in enumerate(colours)
    ]
    around = [Image.new("RGB", (40, 20), "navy")] * 30
    walk = draw_walk(tiles, around, random.random((42, 2)).astype(np.float32), pixels=1200, note="a walk")
    boxes = [box(walk, colour) for colour in colours]
    sides = {(b[2] - b[0], b[3] - b[1]) for b in boxes}
    assert len(sides) == 1
    width, height = sides.pop()
    # The disc with the number covers a corner of some; nothing else may cover anything.
    assert all(where(walk, colour).sum() > 0.93 * width * height for colour in colours)
    assert not any(overlaps(boxes[i], boxes[j]) for i in range(12) for j in range(i))
    assert walk.width <= 1200
    pale = np.abs(np.asarray(walk, np.int16) - (128, 128, 192)).max(axis=2) <= 1
    assert pale.sum() > 20 * 0.2 * (0.4 * width) ** 2


def test_a_walk_leads_from_left_to_right() -> None:
    tiles = [tile(i) for i in range(6)]
    line = np.stack([np.linspace(0, 1, 6), np.zeros(6)], axis=1).astype(np.float32)
    lefts = [box(draw_walk(tiles, [], line), COLOURS[i])[0] for i in range(6)]
    assert lefts == sorted(lefts)
    same = draw_walk(tiles, [], np.zeros((6, 2), np.float32))
    assert not any(overlaps(box(same, COLOURS[i]), box(same, COLOURS[j])) for i in range(6) for j in range(i))


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_parted_boxes_do_not_overlap_and_stay_where_they_can(count: int) -> None:
    random = np.random.default_rng(count)
    for centres in (random.random((count, 2)) * 4, np.zeros((count, 2))):
        apart = np.abs((places := part_boxes(centres, (1.5, 1.0)))[:, None] - places[None])
        free = (apart[..., 0] >= 1.5 - 1e-4) | (apart[..., 1] >= 1.0 - 1e-4)
        assert free[~np.eye(count, dtype=bool)].all()
    roomy = np.array([[0.0, 0], [5, 0], [0, 5]])
    assert part_boxes(roomy, (1.5, 1.0)) == pytest.approx(roomy, abs=2e-3)


def test_squares_take_free_places_or_none() -> None:
    wanted = np.full((40, 2), 50.0)
    places = place_around(wanted, 10, np.array([[40.0, 40, 60, 60]]), (100, 100))
    found = np.array([place for place in places if place is not None])
    assert len(found) > 20
    assert ((found >= 5) & (found <= 95)).all()
    assert not ((np.abs(found - 50) < 15 - 1e-9).all(axis=1)).any()
    apart = np.abs(found[:, None] - found[None]).max(axis=2)
    assert (apart[~np.eye(len(found), dtype=bool)] >= 10 - 1e-9).all()
    assert None in place_around(wanted, 10, np.array([[0.0, 0, 100, 100]]), (100, 100))


def test_everything_grows_with_the_tile_size() -> None:
    small, large = (contact_sheet([tile(0)] * 2, tile_size=size).width for size in (200, 400))
    assert large == 2 * small


def test_impossible_pictures_are_refused() -> None:
    with pytest.raises(I2VSearchError, match="at least one tile, got none"):
        contact_sheet([])
    with pytest.raises(I2VSearchError, match="at least one column, got 0"):
        contact_sheet([tile(0)], columns=0)
    with pytest.raises(I2VSearchError, match="at least 32 pixels, got 8"):
        contact_sheet([tile(0)], tile_size=8)
    with pytest.raises(I2VSearchError, match="two ends, got 1 tiles"):
        morph_strip([tile(0)])
    with pytest.raises(I2VSearchError, match="3 tiles have 2 hops between them, got 3"):
        morph_strip([tile(0)] * 3, hops=[1, 2, 3])
    with pytest.raises(I2VSearchError, match="at least one column, got 0"):
        morph_strip([tile(0)] * 3, columns=0)
