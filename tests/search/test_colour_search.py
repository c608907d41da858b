"""Pictures by colour, and those that move: what a build keeps of them, and what asks for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import GridEncoder
from PIL import Image
from skimage.color import rgb2lab
from stores import make_store, random_vectors
from typer.testing import CliRunner
from web_server import error_of, running

from i2v_search import Collection, Filter, maintenance
from i2v_search.cli.main import app
from i2v_search.errors import QueryError
from i2v_search.search.colour_codes import COLOUR_FORM
from i2v_search.search.colours import COLOUR_DISTANCE, LEAST_SHARE
from i2v_search.store.view_file import ViewFile

FLAT = {"red": "#cc2222", "dark red": "#a01818", "orange": "#ee8822", "green": "#22aa44", "blue": "#2233cc",
        "white": "#ffffff", "grey": "#808080", "black": "#000000"}  # fmt: skip


def painted(path: Path, *colours: str) -> None:
    """A picture of vertical bars, of equal width; no two files are equal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (60 * len(colours), 120))
    for place, colour in enumerate(colours):
        picture.paste(colour, (60 * place, 0, 60 * place + 60, 120))
    picture.save(path)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for name, colour in FLAT.items():
        painted(folder / f"{name}.png", colour)
    painted(folder / "halves.png", FLAT["blue"], "#ffffff")
    painted(folder / "thirds.png", FLAT["blue"], "#ffffff", FLAT["orange"])
    painted(folder / "speck.png", FLAT["blue"], *["#ffffff"] * 15)
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("#cc2222", "#2233cc")]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    return folder


@pytest.fixture
def art(images: Path, loaded: Sequence[GridEncoder]) -> Collection:
    return Collection.build(images.parent / "art", [images], encoder="grid")


def names(collection: Collection, **asked: Any) -> list[str]:
    found = collection.search(**{"order": "name", "top": 100, "copies": True, **asked})
    return [hit.path.rpartition(".")[0] for hit in found.hits]


def test_a_colour_finds_pictures_of_which_it_takes_a_share(art: Collection) -> None:
    assert names(art, colour="#2233CC") == ["blue", "halves", "thirds"]  # a speck is too little
    assert names(art, colour="#cc2222") == ["dark red", "moving", "red"]
    assert names(art, colour="22aa44") == ["green"]
    assert names(art, colour="#ff00ff") == []
    assert names(art, colour="#2233cc", names="-halves") == ["blue", "thirds"]


def test_shares_are_those_of_brute_force(art: Collection, images: Path) -> None:
    """For any colour: all pixels of the files, compared in scikit-image's CIELAB."""
    pixels = {}
    for image in art:
        with Image.open(images / image.path) as picture:
            pixels[image.path.rpartition(".")[0]] = rgb2lab(np.asarray(picture.convert("RGB"))).reshape(-1, 3)
    for colour in ("#2030d0", "#c81e1e", "#f0f0f0", "#101010", "#f09030", "#777777", "#20b040"):
        lab = rgb2lab(np.array([*bytes.fromhex(colour[1:])]).reshape(1, 1, 3) / 255).reshape(3)
        shares = {
            name: (np.linalg.norm(values - lab, axis=1) <= COLOUR_DISTANCE).mean()
            for name, values in pixels.items()
        }
        expected = {name for name, share in shares.items() if share >= LEAST_SHARE}
        assert set(names(art, colour=colour)) == expected
        ranked = names(art, colour=colour, order="colour")
        assert [round(shares[name], 2) for name in ranked] == sorted(
            (round(shares[name], 2) for name in ranked), reverse=True
        )


def test_the_order_colour_goes_by_hue_then_from_dark_to_light(art: Collection) -> None:
    found = names(art, order="colour")
    hued = [name for name in found if name in FLAT]
    assert hued == ["dark red", "red", "orange", "green", "blue", "black", "grey", "white"]
    assert found.index("thirds") < found.index("black")


def test_blank_pictures_come_last_in_the_varied_order(art: Collection) -> None:
    found = names(art, order="varied")
    assert set(found[:2]) == {"halves", "thirds"}  # the speck is in a strip
    (art.directory / "colours.cache").unlink()
    assert sorted(names(art, order="varied")) == sorted(found)


def test_what_moves(art: Collection) -> None:
    assert names(art, animated=True) == ["moving"]
    assert len(names(art, animated=False)) == len(art) - 1
    assert set(art.map(method="pca", colour="#2233cc").paths) == {"blue.png", "halves.png", "thirds.png"}


def test_the_next_build_describes_what_is_not_described(
    art: Collection, images: Path, loaded: Sequence[GridEncoder]
) -> None:
    file = art.directory / "colours.cache"
    before = names(art, order="colour")
    file.unlink()
    with pytest.raises(QueryError, match=r"pictures are not known yet, .*; run i2v-search build"):
        names(Collection.open(art.directory), colour="#2233cc")
    with pytest.raises(QueryError, match="not known yet"):
        names(Collection.open(art.directory), order="colour")
    assert len(names(Collection.open(art.directory), order="name")) == len(art)
    again = Collection.build(art.directory, [images], encoder="grid")
    assert again.report.extraction is not None
    assert again.report.extraction.encoded == 0
    assert names(again, order="colour") == before
    assert names(art, order="colour") == before  # a collection that is open sees the new file


def test_what_is_known_is_not_decoded_again(
    art: Collection, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted(images / "new.png", "#123456")
    monkeypatch.setattr("i2v_search.build.colours.decode_image", None)  # nothing is missing
    Collection.build(art.directory, [images], encoder="grid")
    file = ViewFile.find(art.directory, COLOUR_FORM)
    assert file is not None
    assert len(file.records) == len(art) + 1


def test_damage_counts_as_none_and_is_mended(art: Collection, images: Path) -> None:
    file = art.directory / "colours.cache"
    content = bytearray(file.read_bytes())
    content[-30] ^= 255
    file.write_bytes(content)
    damaged = Collection.open(art.directory)
    assert [damage.file for damage in damaged.verify()] == ["colours.cache"]
    assert len(names(damaged, animated=False)) + len(names(damaged, animated=True)) == len(art) - 1
    Collection.build(art.directory, [images], encoder="grid")
    assert names(Collection.open(art.directory), animated=True) == ["moving"]
    maintenance.compact(art.directory)
    assert Collection.open(art.directory).verify() == ()
    file.write_bytes(b"nothing")
    with pytest.raises(QueryError, match="not known yet"):
        names(Collection.open(art.directory), animated=True)
    Collection.build(art.directory, [images], encoder="grid")
    assert len(names(Collection.open(art.directory), animated=False)) == len(art) - 1


def test_colours_come_along_when_collections_are_merged(
    art: Collection, tmp_path: Path, loaded: Sequence[GridEncoder]
) -> None:
    painted(tmp_path / "more" / "pink.png", "#ff88bb")
    other = Collection.build(tmp_path / "other", [tmp_path / "more"], encoder="grid")
    merged = Collection.merge(tmp_path / "merged", [art.directory, other.directory])
    merged.index()
    assert [name.split("/")[-1] for name in names(merged, colour="#ff88bb")] == ["pink"]
    assert len(names(merged, animated=False)) == len(art)


def test_what_is_no_colour_is_refused() -> None:
    for wrong in ("red", "#12345", "#12345g", ""):
        with pytest.raises(QueryError, match="colour must be written as #rrggbb"):
            Filter(colour=wrong)
    with pytest.raises(QueryError, match="animated must be True, False or None, not 'yes'"):
        Filter(animated="yes")  # type: ignore[arg-type]


def test_over_http_and_on_the_command_line(art: Collection, tmp_path: Path) -> None:
    expected = [hit.id for hit in art.search(order="colour", colour="#2233cc").hits]
    with running(art, tmp_path / "cache") as server:
        found = server.client.post("/api/v1/search", json={"order": "colour", "colour": "#2233CC"}).json()
        assert [hit["id"] for hit in found["hits"]] == expected
        assert found["total"] == 3
        moving = server.client.post("/api/v1/search", json={"animated": True}).json()["hits"]
        assert [hit["path"] for hit in moving] == ["moving.gif"]
        assert server.client.post("/api/v1/search", json={"colour": "blue"}).status_code == 422
        make_store(tmp_path / "old", random_vectors(3, 4))
    with running(Collection.open(tmp_path / "old"), tmp_path / "cache") as server:
        refused = server.client.post("/api/v1/search", json={"colour": "#2233cc"})
        assert error_of(refused) == "bad_query"
        assert "i2v-search build" in refused.json()["error"]["message"]
    options = ["--colour", "#2233cc", "--order", "colour", "--still", "--json"]
    done = CliRunner().invoke(app, ["search", *options, "--collection", str(art.directory)])
    assert [hit["id"] for hit in json.loads(done.stdout)["hits"]] == expected
