"""The canvas of a board: rows, places that are kept, and the files of it that other programs read."""

import io
import json
import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing
from pathlib import Path

import pytest
from grids import GridEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from i2v_search.collection.bee_files import write_bee
from i2v_search.collection.board_layout import LaidPicture, board_layout, lay_out, rows
from i2v_search.collection.collection import Collection
from i2v_search.collection.kept_files import kept_record, write_sidecars
from i2v_search.errors import QueryError
from i2v_search.images.sources import Skipped
from i2v_search.pictures.laid_boards import MAX_PIXELS, board_picture
from i2v_search.store.annotations.boards import Board
from i2v_search.store.annotations.layouts import Place

#: Name, colour and size of the pictures.
PICTURES = {
    "red.png": ("red", (40, 20)),
    "green.webp": ("lime", (20, 40)),
    "blue.jpg": ("blue", (30, 30)),
    "odd <b>&\u202e.png": ("white", (10, 10)),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    folder = tmp_path_factory.mktemp("canvas")
    (folder / "art").mkdir()
    for name, (colour, size) in PICTURES.items():
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned, as a camera says
        picture = Image.new("RGB", size, colour)
        if name.endswith("jpg"):
            picture.save(folder / "art" / name, exif=exif, quality=95)
        else:
            picture.save(folder / "art" / name)
    return Collection.build(folder / "index", [folder / "art"], encoder=GridEncoder())


@pytest.fixture
def art(built: Collection) -> Collection:
    built.annotations.path.unlink(missing_ok=True)
    return built


@pytest.fixture
def board(art: Collection) -> Board:
    board = art.annotations.boards.make("Mood")
    art.annotations.boards.put(board.id, [art[name] for name in PICTURES if not name.startswith("odd")])
    return art.annotations.boards.get(board.id)


def overlap(one: LaidPicture, two: LaidPicture) -> bool:
    (left, top, right, bottom), (left2, top2, right2, bottom2) = one.box, two.box
    return left < right2 and left2 < right and top < bottom2 and top2 < bottom


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 9000)), min_size=1, max_size=40))
def test_rows_cover_nothing_and_no_row_is_higher_than_another_may_be(sizes: list[tuple[int, int]]) -> None:
    places = rows(sizes)
    laid = [LaidPicture(0, *size, place, False) for size, place in zip(sizes, places, strict=True)]
    for at, one in enumerate(laid):
        assert one.box[3] - one.box[1] <= 300.001
        assert not any(overlap(one, other) for other in laid[:at])
    assert rows(sizes) == places


def test_pictures_that_nobody_laid_come_below_and_stay_there_once_another_is_moved(
    art: Collection, board: Board
) -> None:
    first = board_layout(art, board)
    assert [picture.is_kept for picture in first] == [False] * 3
    moved = Place(5000.0, 0.0, 2.0, rotation=45.0, depth=9.0, group=3)
    lay_out(art, board, {first[0].image: moved})
    now = board_layout(art, board)
    assert [picture.place for picture in now] == [moved, first[1].place, first[2].place]
    assert all(picture.is_kept for picture in now)

    art.annotations.boards.put(board.id, [art["odd <b>&\u202e.png"]])
    *others, new = board_layout(art, board)
    assert others == list(now)
    assert not new.is_kept
    assert new.box[1] > max(picture.box[3] for picture in others)
    assert new.place.depth == 10

    arranged = board_layout(art, board, arranged=True)
    assert arranged[0].place.rotation == 0
    assert arranged[0].place.group == 3
    assert not any(overlap(one, other) for at, one in enumerate(arranged) for other in arranged[:at])


def test_a_board_is_drawn_as_it_lies(art: Collection, board: Board) -> None:
    red, green, blue = (picture.image for picture in board_layout(art, board))
    places = {
        red: Place(0.0, 0.0, 10.0, depth=1.0),  # 400 x 200 units
        green: Place(0.0, 0.0, 5.0, rotation=90.0, depth=2.0),  # 200 x 100, as it is turned, in front
        blue: Place(0.0, 300.0, 5.0, rotation=45.0, depth=0.0),
    }
    lay_out(art, board, places)
    picture = board_picture(art, board, side=1000)
    assert max(picture.size) <= 1000
    left, top = -200 - 16, -100 - 16
    zoom = picture.width / (400 + 2 * 16)

    def at(x: float, y: float) -> str:
        pixel = picture.getpixel((int((x - left) * zoom), int((y - top) * zoom)))
        assert isinstance(pixel, tuple)
        ground = min(pixel) > 200
        return "ground" if ground else "rgb"[pixel.index(max(pixel))]

    assert [at(0, 0), at(90, 40), at(150, 0), at(0, 90)] == ["g", "g", "r", "r"]
    # A square of 150 units on its corner: its middle reaches farther than its edges.
    assert [at(0, 300), at(100, 300), at(0, 400), at(70, 370)] == ["b", "b", "b", "ground"]
    assert at(-210, 0) == "ground"

    lay_out(art, board, {red: Place(0.0, 0.0, 1e-3)})  # whose every pixel would be shown
    huge = board_picture(art, board)
    assert max(huge.size) <= 8192
    assert huge.width * huge.height <= MAX_PIXELS * 1.001
    with pytest.raises(QueryError, match="nothing to draw"):
        board_picture(art, art.annotations.boards.make("empty"))


def test_beeref_reads_a_board_as_it_lies(art: Collection, board: Board, tmp_path: Path) -> None:
    red, green, blue = (picture.image for picture in board_layout(art, board))
    places = {
        red: Place(100.0, 50.0, 2.0, rotation=90.0, depth=1.5),
        green: Place(0.0, 0.0, 1.0, depth=2.0),
        blue: Place(-5.0, 7.0, 3.0, rotation=180.0),
    }
    lay_out(art, board, places)
    out = tmp_path / "mood.bee"
    assert write_bee(art, board, out) == ()
    with closing(sqlite3.connect(out)) as file:
        assert file.execute("PRAGMA application_id").fetchone() == (2060242126,)
        assert file.execute("PRAGMA user_version").fetchone() == (2,)
        items = file.execute(
            "SELECT type, x, y, z, scale, rotation, flip, items.data, name, sz, sqlar.data "
            "FROM sqlar JOIN items ON sqlar.item_id = items.id ORDER BY items.id"
        ).fetchall()
    assert [item[0] for item in items] == ["pixmap"] * 3
    assert [item[3:7] for item in items] == [(1.5, 2.0, 90.0, 1), (2.0, 1.0, 0.0, 1), (0.0, 3.0, 180.0, 1)]
    # The upper left corner, about which BeeRef scales and turns: of 80 x 40 units, turned to the right, it is
    # the upper right one; upside down it is the lower right one.
    corners = [tuple(round(value, 6) for value in item[1:3]) for item in items]
    assert corners == [(120.0, 10.0), (-10.0, -20.0), (40.0, 52.0)]
    assert [json.loads(item[7])["filename"] for item in items] == ["red.png", "green.png", "blue.jpg"]
    assert [item[8] for item in items] == ["0001-red.png", "0002-green.png", "0003-blue.jpg"]
    assert items[0][10] == art.image_bytes(red)
    for (colour, size), item in zip(list(PICTURES.values())[:3], items, strict=True):
        assert item[9] == len(item[10])
        with Image.open(io.BytesIO(item[10])) as picture:
            assert picture.size == size
            assert picture.getexif() == {}
            assert colour in {"red", "blue", "lime"}


def test_what_is_kept_is_written_for_other_programs(art: Collection, board: Board, tmp_path: Path) -> None:
    odd, red = art["odd <b>&\u202e.png"], art["red.png"]
    art.annotations.pictures.star([odd])
    art.annotations.pictures.tag([odd], ["Night", "<i>&\x00"])
    art.annotations.pictures.note(odd, "one & <two>\nlines \x1b")
    art.annotations.pictures.note(red, "only a note")

    done = write_sidecars(art, tmp_path / "xmp")
    assert (done.written, done.skipped) == (2, ())
    text = (tmp_path / "xmp" / "odd _b_&\u202e.png.xmp").read_text("utf-8")
    spaces = {
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "dc": "http://purl.org/dc/elements/1.1/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
    }
    about = ET.fromstring(text).find("rdf:RDF/rdf:Description", spaces)
    assert about is not None
    assert about.get(f"{{{spaces['xmp']}}}Rating") == "5"
    tags = [tag.text for tag in about.findall("dc:subject/rdf:Bag/rdf:li", spaces)]
    assert tags == ["<i>&\\x00", "night"]
    assert about.findtext("dc:description/rdf:Alt/rdf:li", None, spaces) == "one & <two>\nlines \\x1b"

    # Nothing that is there is written over, and nothing beside the pictures unless that is asked for.
    again = write_sidecars(art, tmp_path / "xmp")
    assert again.written == 0
    assert {"exists and is kept" in skipped.reason for skipped in again.skipped} == {True}
    assert write_sidecars(art, tmp_path / "xmp", overwrite=True).written == 2
    assert write_sidecars(art, tmp_path / "txt", "txt").written == 1
    assert [path.read_text() for path in (tmp_path / "txt").iterdir()] == ["<i>&\\x00\nnight\n"]
    folder = Path(art.store.manifest.image_root)
    assert not list(folder.glob("*.xmp"))
    try:
        assert write_sidecars(art, None).written == 2
        assert (folder / "odd <b>&\u202e.png.xmp").read_text("utf-8") == text
    finally:
        for path in folder.glob("*.xmp"):
            path.unlink()

    place = Place(1.0, 2.0, 3.0)
    lay_out(art, board, {red.id: place})
    art.annotations.searches.save("owls", "?tag=owl")
    record = json.loads(json.dumps(kept_record(art)))
    assert [(one["path"], one["note"]) for one in record["pictures"]][1] == ("red.png", "only a note")
    assert record["boards"][0]["pictures"][0]["place"] == place.to_dict()
    assert record["searches"] == [{"name": "owls", "query": "?tag=owl"}]

    art.annotations.pictures.star([odd], starred=False)
    gone = Skipped("gone.png", "not in the collection")
    art.annotations.pictures.note(type(board.cover[0])("0" * 64, "gone.png"), "a note")
    assert gone in write_sidecars(art, tmp_path / "other").skipped
