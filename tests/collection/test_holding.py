"""A collection as a container: what it holds by id and path, as text and in a notebook, and closing it."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from grids import GridEncoder, draw, draw_folder

from i2v_search import Collection, I2VSearchError, ImageInfo
from i2v_search.collection.notebook import SHOWN
from i2v_search.errors import CollectionClosedError, NoSuchImageError, QueryError
from i2v_search.tags.vocabulary import Tag, Vocabulary

HOSTILE = "<img src=x onerror=alert(1)>\u202e&\"'.png"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = draw_folder(tmp_path / "images", 20)
    draw(folder / "deep" / "red.png", 7)
    draw(folder / HOSTILE, 8)
    (folder / "deep" / "red.txt").write_text("robot, sky")
    return folder


@pytest.fixture
def art(images: Path, tmp_path: Path) -> Collection:
    encoder = GridEncoder(Vocabulary(("r", "g", "safe"), ("general", "general", "rating")))
    return Collection.build(tmp_path / "c", [images], encoder=encoder)


def test_an_image_is_found_by_id_path_and_the_end_of_its_path(art: Collection, images: Path) -> None:
    red = art["deep/red.png"]
    assert red == art["red.png"] == art[red.id] == art[str(red.id)] == art[Path("deep/red.png")]
    file = images / "deep" / "red.png"
    assert (red.path, red.bytes) == ("deep/red.png", file.stat().st_size)
    assert red.sha256 == art.store.record(art.store.position_of_id(red.id) or 0).sha256
    from PIL import Image

    with Image.open(file) as picture:
        assert red.size == picture.size
    assert {"robot", "sky"} <= {tag.name for tag in red.tags}
    probabilities = [tag.probability for tag in red.tags]
    assert probabilities == sorted(probabilities, reverse=True)


def test_the_rating_is_the_most_probable_one() -> None:
    tags = (Tag("sky"), Tag("safe", 0.7, "rating"), Tag("explicit", 0.2, "rating"))
    assert ImageInfo(1, "a.png", (4, 3), 10, "0" * 64, tags).rating == "safe"
    assert ImageInfo(1, "a.png", (4, 3), 10, "0" * 64).rating is None


@pytest.mark.parametrize("missing", [99_999, "no.png", "deep/no.png", -1])
def test_what_is_not_there_is_a_key_error_of_our_tree(art: Collection, missing: int | str) -> None:
    for kind in (KeyError, NoSuchImageError, QueryError, I2VSearchError):
        with pytest.raises(kind):
            art[missing]
    with pytest.raises(KeyError) as caught:
        art[missing]
    assert str(caught.value) == f"the collection {art.directory} holds no image {missing!r}"
    assert missing not in art


def test_what_no_image_can_be_is_refused_and_not_in_it(art: Collection) -> None:
    with pytest.raises(QueryError, match="must be a whole number"):
        art[1.5]  # type: ignore[index]
    assert 1.5 not in art
    assert None not in art


def test_it_is_iterated_in_the_order_of_its_ids(art: Collection) -> None:
    held = list(art)
    assert [image.id for image in held] == art.ids
    assert len(held) == len(art) == 22
    assert all(image in art and image.id in art and image.path in art for image in held)
    assert held == [art[number] for number in art.ids]
    art.remove(held[3])
    assert held[3] not in art
    assert [image.id for image in art] == [image.id for image in held if image != held[3]]


def test_what_is_known_of_an_image_stands_for_it(art: Collection) -> None:
    a, b, *_ = art
    assert art.search(a).hits == art.search(a.id).hits
    assert art.morph(a, b, steps=2).stops == art.morph(a.id, b.id, steps=2).stops
    assert (art.vectors([a, b]) == art.vectors([a.id, b.id])).all()


def test_its_text_says_what_it_holds(art: Collection) -> None:
    assert repr(art) == f"Collection({str(art.directory)!r}, 22 images, encoder 'grid', centred)"


class Shown(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {tag, *(name for name, _ in attrs)}
        if tag == "img":
            self.pictures.append(dict(attrs)["src"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_notebook_shows_a_few_of_its_images(art: Collection) -> None:
    shown = Shown(art._repr_html_())
    assert len(shown.pictures) == SHOWN
    assert all(re.match("data:image/webp;base64,[A-Za-z0-9+/]+=*$", source) for source in shown.pictures)
    assert len(art._repr_html_()) < 200_000


def test_a_notebook_is_not_commanded_by_names(images: Path, tmp_path: Path) -> None:
    for file in images.glob("0*.png"):
        file.unlink()
    hostile = Collection.build(tmp_path / 'c"<b>', [images], encoder=GridEncoder())
    shown = Shown(hostile._repr_html_())
    assert shown.names == {"div", "p", "style", "img", "src", "alt", "title", "br", "small"}
    assert html.unescape(html.escape(HOSTILE)).replace("\u202e", "\\u202e") in shown.text
    assert "\u202e" not in hostile._repr_html_()


def test_a_notebook_shows_names_where_files_are_gone(art: Collection, images: Path) -> None:
    images.rename(images.with_name("moved"))
    shown = Shown(art._repr_html_())
    assert not shown.pictures
    assert shown.text.count("no such file") == SHOWN
    assert "0000.png" in shown.text


def test_an_empty_collection_can_be_shown(art: Collection) -> None:
    art.remove(art.ids)
    assert "0 images" in Shown(art._repr_html_()).text
    assert list(art) == []


def test_a_closed_collection_answers_nothing_and_says_so(art: Collection) -> None:
    with Collection.open(art.directory) as opened:
        number = opened.ids[0]
        assert opened.search(number).hits
    for ask in (
        lambda: opened.search(number),
        lambda: opened[number],
        lambda: list(opened),
        lambda: opened.ids,
        lambda: number in opened,
        lambda: opened.add([]),
        lambda: opened.index(),
        opened.info,
    ):
        with pytest.raises(CollectionClosedError, match="was closed; open it again"):
            ask()
    assert repr(opened) == f"Collection({str(art.directory)!r}, closed)"
    assert "closed" in opened._repr_html_()
    opened.close()
