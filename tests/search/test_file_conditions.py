"""Conditions on files: parts of the name, shape, size and date; exact wherever a filter is taken."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores import clustered_vectors
from test_orders import make, records
from typer.testing import CliRunner
from web_server import error_of, running

from i2v_search import Collection, Filter
from i2v_search.cli.main import app
from i2v_search.collection.info import ImageInfo
from i2v_search.errors import QueryError
from i2v_search.store.feature_file import ImageRecord

N = 300
ENDS = ["webp", "PNG"]
#: A day around which files were modified, at midnight where the tests run.
DAY = datetime(2024, 3, 10)
NAMES = [
    "Red Dragon",
    "red_dragon",
    "dragonfly",
    "caf\u00e9",
    "cafe\u0301 Straße",
    "-minus",
    "50% [x]",
    "a\udcffb",
]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    images = []
    for number, image in enumerate(records(N)):
        moment = DAY + timedelta(hours=6 * (number % 40) - 120)
        folder = image.path.rpartition("/")[0]
        changes = {
            "path": f"{folder}/dragon {number % 3}/{NAMES[number % len(NAMES)]}{number}.{ENDS[number % 2]}",
            "mtime_ns": int(moment.timestamp() * 1e9),
            "width": [100, 110, 111, 400, 401, 1][number % 6],
            "height": [100, 111, 50, 1][number % 4],
        }
        images.append(ImageRecord(**{**vars(image), **changes}))
    opened = Collection.open(make(tmp_path_factory.mktemp("files"), images, clustered_vectors(N, 24)))
    opened.index()
    return opened


def name(image: ImageInfo) -> str:
    return unicodedata.normalize("NFC", image.path.split("/")[-1]).lower()


def longer(image: ImageInfo) -> int:
    return max(image.size)


def ratio(image: ImageInfo) -> float:
    return max(image.size) / min(image.size)


def day(collection: Collection, image: ImageInfo) -> date:
    return datetime.fromtimestamp(collection.store.record(image.id).mtime_ns / 1e9).date()


CASES: list[tuple[dict[str, Any], Callable[[Collection, ImageInfo], bool]]] = [
    ({"names": "dragon"}, lambda _, image: "dragon" in name(image)),
    ({"names": ["DRAGON", "-red"]}, lambda _, image: "dragon" in name(image) and "red" not in name(image)),
    ({"names": ".png"}, lambda _, image: name(image).endswith(".png")),
    ({"names": "cafe\u0301"}, lambda _, image: "caf\u00e9" in name(image)),
    ({"names": "STRASSE"}, lambda _, image: "stra" in name(image)),
    ({"names": "\\-minus"}, lambda _, image: "-minus" in name(image)),
    ({"names": "-\\-minus"}, lambda _, image: "-minus" not in name(image)),
    ({"names": ["% [", ""]}, lambda _, image: "% [" in name(image)),
    ({"names": "a\udcffb"}, lambda _, image: "a\udcffb" in name(image)),
    ({"names": "dragon 1"}, lambda _, image: "dragon 1" in name(image)),
    ({"names": "dragon 0/red"}, lambda *_: False),
    ({"shape": "strip"}, lambda _, image: ratio(image) > 4),
    ({"shape": "square"}, lambda _, image: ratio(image) <= 1.1),
    ({"shape": "wide"}, lambda _, image: 1.1 < ratio(image) <= 4 and image.size[0] > image.size[1]),
    ({"shape": "tall"}, lambda _, image: 1.1 < ratio(image) <= 4 and image.size[0] < image.size[1]),
    ({"min_side": 111}, lambda _, image: longer(image) >= 111),
    ({"max_side": 111}, lambda _, image: longer(image) <= 111),
    ({"min_side": 101, "max_side": 400}, lambda _, image: 101 <= longer(image) <= 400),
    ({"min_side": 401, "max_side": 400}, lambda *_: False),
    ({"after": "2024-03-10"}, lambda art, image: day(art, image) >= date(2024, 3, 10)),
    ({"before": date(2024, 3, 10)}, lambda art, image: day(art, image) <= date(2024, 3, 10)),
    (
        {"after": "2024-03-09", "before": "2024-03-10"},
        lambda art, image: date(2024, 3, 9) <= day(art, image) <= date(2024, 3, 10),
    ),
    ({"after": "0001-01-01", "before": "9999-12-31"}, lambda *_: True),
    ({"after": "9999-12-31"}, lambda *_: False),
    ({"before": "0001-01-01"}, lambda *_: False),
    (
        {"tags": "even", "paths": "a", "names": "dragon", "shape": "wide", "min_side": 110},
        lambda _, image: (
            image.id % 2 == 0
            and image.path.startswith("a/")
            and "dragon" in name(image)
            and 1.1 < ratio(image) <= 4
            and image.size[0] > image.size[1] >= 0
            and longer(image) >= 110
        ),
    ),
]


@pytest.mark.parametrize(
    ("where", "holds"), CASES, ids=[str(where).encode("ascii", "replace").decode() for where, _ in CASES]
)
def test_hits_are_those_that_meet_the_condition(
    collection: Collection, where: dict[str, Any], holds: Callable[[Collection, ImageInfo], bool]
) -> None:
    expected = {image.id for image in collection if holds(collection, image)}
    every: dict[str, Any] = {"top": N, "copies": True}
    assert {hit.id for hit in collection.search(order="collection", **every, **where).hits} == expected
    found = collection.search(0, exclude_query=False, where=Filter(**where), **every)
    assert {hit.id for hit in found.hits} == expected
    assert found.total == len(expected)
    if len(expected) > 2:
        assert set(collection.map(method="pca", **where).ids) == expected


def test_a_morph_and_its_map_keep_to_them(collection: Collection) -> None:
    where = Filter(names="dragon", min_side=110)
    allowed = {hit.id for hit in collection.search(order="collection", top=N, copies=True, where=where).hits}
    morph = collection.morph(0, 8, steps=4, where=where)
    assert {stop.id for stop in morph.stops[1:-1]} <= allowed
    assert len(morph.stops) == 6


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"shape": "round"}, "unknown shape 'round'; available: wide, tall, square, strip"),
        ({"after": "yesterday"}, "after must be a day as YYYY-MM-DD, not 'yesterday'"),
        ({"before": "2024-02-30"}, "before must be a day as YYYY-MM-DD, not '2024-02-30'"),
        ({"min_side": 0.5}, "min_side must be a whole number"),
    ],
)
def test_what_is_no_condition_is_refused(where: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        Filter(**where)


def test_over_http(sample_collection: Collection, tmp_path: Path) -> None:
    where: dict[str, Any] = {
        "paths": ["birds"], "names": ["-owl"], "shape": "wide", "min_side": 200, "max_side": 5000,
        "after": "2000-01-01", "before": "2999-01-01",
    }  # fmt: skip
    a, b = sample_collection.ids[0], sample_collection.ids[50]
    expected = [hit.id for hit in sample_collection.search(order="name", top=200, **where).hits]
    with running(sample_collection, tmp_path) as server:

        def ask(address: str, **body: Any) -> Any:
            return server.client.post(f"/api/v1/{address}", json=body)

        found = ask("search", order="name", top=200, **where).json()
        assert [hit["id"] for hit in found["hits"]] == expected
        assert len(expected) > 3
        assert set(ask("map/matches", **where).json()["ids"]) == set(expected)
        stops = ask("morph", a={"id": a}, b={"id": b}, steps=2, **where).json()["stops"]
        assert {stop["id"] for stop in stops[1:-1]} <= set(expected)
        assert ask("tags/counts", **where).json()
        for wrong in (
            {"shape": "round"}, {"after": "2024"}, {"min_side": -1}, {"names": ["x" * 201]}, {"sides": 1},
        ):  # fmt: skip
            answer = ask("search", **wrong)
            assert answer.status_code == 422
            assert next(iter(wrong)) in answer.json()["error"]["message"]
        impossible = ask("search", before="2024-02-30")
        assert (impossible.status_code, error_of(impossible)) == (422, "bad_query")
        assert "wide" in ask("search", shape="round").json()["error"]["message"]


def test_on_the_command_line(sample_collection: Collection, tmp_path: Path) -> None:
    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(
            app, [*arguments, "--json", "--collection", str(sample_collection.directory)]
        )
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    options = ["--name", "o", "--name", "-owl", "--min-side", "100", "--max-side", "9000"]
    options += ["--after", "2000-01-01", "--before", "2999-01-01"]
    where = Filter(names=["o", "-owl"], min_side=100, max_side=9000, after="2000-01-01", before="2999-01-01")
    expected = [hit.id for hit in sample_collection.search(order="name", top=100, where=where).hits]
    found = run("search", "--order", "name", "-k", "100", *options)
    assert [hit["id"] for hit in found["hits"]] == expected
    assert expected
    drawn = run("map", "--method", "pca", "--shape", "square")
    square = sample_collection.map(method="pca", shape="square")
    assert [image["id"] for image in drawn["images"]] == list(square.ids)
    a, b = map(str, sample_collection.ids[:60:59])
    stops = run("morph", a, b, "--steps", "2", "--shape", "wide")["stops"]
    wide = {hit.id for hit in sample_collection.search(order="name", top=999, shape="wide", copies=True).hits}
    assert {stop["id"] for stop in stops[1:-1]} <= wide


def test_a_large_collection_is_looked_through_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i2v_search.store.feature_store._PATH_ROWS", 7)
    store = Collection.open(make(tmp_path / "c", records(N), clustered_vectors(N, 8))).store
    rows = Filter(names=["PAGE", "-1"]).rows(store)
    names = [path.split("/")[-1].lower() for path in store.paths()]
    assert rows.tolist() == [n for n in store.live.tolist() if "page" in names[n] and "1" not in names[n]]
    assert np.all(np.diff(rows) > 0)
