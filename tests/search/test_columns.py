"""Columns of a collection: what is kept of images' facts, and conditions on them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from web_server import running

from i2v_search import Collection, Filter, maintenance, sample_directory
from i2v_search.cli.main import app
from i2v_search.errors import CollectionDamagedError, QueryError
from i2v_search.images.sidecar import Sidecars
from i2v_search.search.column_conditions import parse_condition
from i2v_search.store.columns import FILE_NAME, Column, Columns, ColumnsBuilder, read_columns, update_columns

FACTS: list[dict[str, Any]] = [
    {
        "score": 60,
        "rating": "g",
        "created_at": "2023-02-01T00:00:00Z",
        "source": "https://pixiv.net/1",
        "id": 11,
    },
    {"score": 60, "rating": "s", "created_at": "2022-12-31T23:59:59Z", "id": 12},
    {"score": 5, "rating": "e", "created_at": "2024-05-01T12:00:00Z", "source": "Twitter", "id": 13},
    {"rating": "q", "id": 14},
    {"score": -3, "created_at": "2023-12-31T23:59:59Z", "id": 15},
]
TAGS = ["^_^ smile", "-_- smile", "don't,_ok", "|_|", ">_<"]


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Pictures named 11.png to 16.png; the last has no post. Vectors and predicted tags are those of lite."""
    folder = tmp_path_factory.mktemp("posts")
    pictures = sorted((sample_directory() / "birds").iterdir())[:6]
    for number, picture in enumerate(pictures, 11):
        (folder / f"{number}.png").write_bytes(picture.read_bytes())
    posts = [
        {**fact, "tag_string_general": tags, "tag_string_character": "owl_(bird)" if n == 0 else ""}
        for n, (fact, tags) in enumerate(zip(FACTS, TAGS, strict=True))
    ]
    (folder / "posts.jsonl").write_text("\n".join(map(json.dumps, posts)))
    return Collection.build(folder / "index", [folder])


def found(art: Collection, condition: str) -> list[int]:
    rows = Filter(condition=condition).rows(art.store)
    return [int(art.store.path(row).partition(".")[0]) - 10 for row in rows.tolist()]


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ("score > 50 and rating = general and date >= 2023", [1]),
        ("score > 50", [1, 2]),
        ("score >= 5 AND score<60", [3]),
        ("score != 60", [3, 5]),
        ("score is missing", [4, 6]),
        ("score is not missing and not score < 0", [1, 2, 3]),
        ("score <= -3", [5]),
        ("score < 5.5", [3, 5]),
        ("rating in (general, 'sensitive')", [1, 2]),
        ("rating != general", [2, 3, 4]),
        ("rating != safe", [1, 2, 3, 4]),
        ("date = 2023", [1, 5]),
        ("date = 2023-02", [1]),
        ("date < 2023", [2]),
        ("date > 2023", [3]),
        ("date <= 2023-12-31 and date > 2022-12-31", [1, 5]),
        ("date != 2023", [2, 3]),
        ('date >= "2024-05-01T12:00:00Z"', [3]),
        ("source contains PIXIV or source = Twitter", [1, 3]),
        ("(score > 50 or rating = questionable) and not post_id = 12", [1, 4]),
        ("tag = smile", [1, 2]),
        ('tag = "^_^"', [1]),
        ("tag = ^_^", [1]),
        ("tag = -_-", [2]),
        ('tag = ">_<"', [5]),
        ("tag = |_|", [4]),
        ('tag = "don\'t, ok"', [3]),
        ("tag = 'don\\'t, ok'", [3]),
        ('character = "owl (bird)"', [1]),
        ('character != "owl (bird)" and id < 2', [2]),
        ("tag in (smile, |_|) and width > 0 and bytes > 0 and modified > 2000", [1, 2, 4]),
    ],
)
def test_a_condition_takes_the_images_that_meet_it(
    art: Collection, condition: str, numbers: list[int]
) -> None:
    assert found(art, condition) == numbers


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("score >", "a value is expected at the end"),
        ("score 5", "a comparison .* is expected at '5'"),
        ("and", "the name of a column is expected at 'and'"),
        ("score > 5 rating = general", "'and' or 'or' is expected at 'rating = general'"),
        ("(score > 5", r"'\)' is expected at the end"),
        ("rating in (general", r"',' or '\)' is expected at the end"),
        ('rating = "general', "cannot be read"),
        ("score is 5", "'missing' or 'not missing' is expected"),
        ("(" * 40 + "score > 5" + ")" * 40, "30 parentheses"),
        ("x" * 3000, "at most 2000 characters"),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_is_written(condition: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        Filter(condition=condition)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("size > 5", "no column 'size'; its columns are: .*score"),
        ("rating = genral", "no image has rating 'genral'; did you mean 'general'"),
        ("score > high", "score is compared with numbers, not 'high'"),
        ("date > soon", "a year, a month or a day"),
        ("date > 2023-13", "a year, a month or a day"),
        ("tag = smil", "no image was given the tag 'smil'"),
        ("tag > smile", "compared by"),
        ("score contains 5", "holds no texts"),
    ],
)
def test_what_the_collection_lacks_is_named(art: Collection, condition: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        art.search(art.ids[0], condition=condition)


def test_everywhere_the_same(art: Collection, tmp_path: Path) -> None:
    condition = "score > 50 and date >= 2022"
    expected = [
        hit.id for hit in art.search(art.ids[0], where=Filter(condition=condition), exclude_query=False).hits
    ]
    assert expected == [0, 1]
    with running(art, tmp_path) as server:
        body = {"examples": [{"id": 5}], "condition": condition}
        answer = server.client.post("/api/v1/search", json=body).json()
        assert sorted(hit["id"] for hit in answer["hits"]) == expected
        refused = server.client.post("/api/v1/search", json={"condition": "score >"})
        assert refused.status_code == 422
        assert "a value is expected" in refused.text
    arguments = ["search", "5", "--collection", str(art.directory), "--where", condition, "--json"]
    printed = CliRunner().invoke(app, arguments)
    assert sorted(hit["id"] for hit in json.loads(printed.stdout)["hits"]) == expected


def test_predicted_tags_are_never_certain(art: Collection) -> None:
    given = {tag.name for tag in art[0].tags if tag.probability == 1}
    assert given == {"^_^", "smile", "owl (bird)", "general"}
    assert [row["rating"] for row in map(Columns.of(art.store).at, range(3))] == [
        "general",
        "sensitive",
        "explicit",
    ]


def test_a_build_keeps_columns_and_a_new_file_changes_them(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    folder.mkdir()
    for number, picture in enumerate(sorted((sample_directory() / "birds").iterdir())[:3]):
        (folder / f"{number}.png").write_bytes(picture.read_bytes())
    said = folder / "0.json"
    said.write_text('{"id": 5, "tags": ["x"], "score": 1}')
    art = Collection.build(tmp_path / "index", [folder])
    before = (tmp_path / "index" / FILE_NAME).read_bytes()
    Collection.build(tmp_path / "index", [folder])
    assert (tmp_path / "index" / FILE_NAME).read_bytes() == before
    said.write_text('{"id": 5, "tags": ["x"], "score": 2}')
    (folder / "2.json").write_text('{"id": 6, "tags": ["x"], "score": 0.5}')
    art.add([folder])
    store = Collection.open(art.directory).store
    said_of = {store.path(row): Columns.of(store).at(row).get("score") for row in store.live.tolist()}
    assert said_of == {"0.png": 2.0, "1.png": None, "2.png": 0.5}
    other = tmp_path / "other"
    maintenance.compact(art.directory)
    Collection.merge(other, [art.directory])
    ids, columns = read_columns(other)
    assert len(ids) == 2
    assert sorted(columns) == ["post_id", "score"]


KINDS = [
    st.integers(-(2**62), 2**62),
    st.integers(-9, 9) | st.floats(allow_nan=False, width=32),
    st.text(max_size=3),
    st.dates().map(str),
]


@settings(max_examples=60)
@given(
    st.sampled_from(KINDS).flatmap(lambda kind: st.lists(st.dictionaries(st.sampled_from("ab"), kind))),
    st.data(),
)
def test_columns_hold_what_they_are_given(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("columns")
    ids = data.draw(st.permutations(range(len(rows))))
    cut = data.draw(st.integers(0, len(rows)))
    for chosen in (ids[:cut], ids[cut:]):
        builder = ColumnsBuilder()
        for number in chosen:
            builder.add(number, rows[number])
        update_columns(folder, *builder.finish())
    kept, columns = read_columns(folder)
    assert kept.tolist() == [number for number, row in enumerate(rows) if row]
    for name in columns:
        given = [row.get(name) for row in rows if row]
        column = columns[name]
        read = list(column.listed(column.values))
        assert [str(value)[:10] if column.kind == "time" and value else value for value in read] == given
        assert list(column.texts) == sorted(
            {value for value in given if column.kind == "text" and value is not None}
        )
    assert set(columns) == {name for row in rows for name in row}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    update_columns(tmp_path, np.arange(3), {"a": Column.of(["x", "y", None])})
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CollectionDamagedError, match=r"columns\.h5"):
        read_columns(tmp_path)
    with pytest.raises(QueryError, match="no name for a column"):
        update_columns(tmp_path, np.arange(1), {"a b": Column.of([1])})


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


@settings(max_examples=60)
@given(
    st.lists(st.none() | st.integers(-5, 5) | st.sampled_from([0.5, 2.5]), min_size=1, max_size=20),
    st.sampled_from(sorted(COMPARE)),
    st.integers(-6, 6),
)
def test_numbers_compare_as_python_does(given: list[Any], how: str, number: int) -> None:
    column = Column.of(given)
    comparison: Any = parse_condition(f"a {how} {number}")
    met = comparison._compared(column, str(number))
    assert met.tolist() == [value is not None and COMPARE[how](value, number) for value in given]


def test_a_column_sorts(art: Collection) -> None:
    for by, expected in (
        ("score", [5, 3, 1, 2, 4, 6]),
        ("-score", [1, 2, 3, 5, 4, 6]),
        ("-date", [3, 5, 1, 2, 4, 6]),
    ):
        hits = art.search(order="column", by=by).hits
        assert [int(hit.path.partition(".")[0]) - 10 for hit in hits] == expected, by
    ratings = [art[hit.id].rating for hit in art.search(order="column", by="rating", top=4).hits]
    assert ratings == ["explicit", "general", "questionable", "sensitive"]
    with pytest.raises(QueryError, match="belong together"):
        art.search(order="column")
    with pytest.raises(QueryError, match="no column 'size'"):
        art.search(order="column", by="size")


def test_columns_are_shown_and_exported(art: Collection, tmp_path: Path) -> None:
    assert art.info().columns == {
        **{"post_id": "whole", "score": "whole", "date": "time", "source": "text", "rating": "text"}
    }
    assert art[0].columns == {
        **{"post_id": 11, "score": 60, "date": "2023-02-01T00:00:00Z", "source": "https://pixiv.net/1"},
        "rating": "general",
    }
    printed = CliRunner().invoke(app, ["info", "--collection", str(art.directory)])
    assert "post_id, score, date, source, rating" in printed.stdout
    art.export(tmp_path / "art.csv")
    with (tmp_path / "art.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["score"] for row in rows] == ["60", "60", "5", "", "-3", ""]
    assert rows[0]["rating_given"] == "general"
    parquet = pytest.importorskip("pyarrow.parquet")
    art.export(tmp_path / "art.parquet")
    table = parquet.read_table(tmp_path / "art.parquet").to_pylist()
    assert [row["score"] for row in table] == [60, 60, 5, None, -3, None]
    assert [row["date"].year if row["date"] else None for row in table] == [
        2023,
        2022,
        2024,
        None,
        2023,
        None,
    ]
    assert set(table[1]["tags_given"]) == {"-_-", "smile", "sensitive"}
    assert {tag["name"] for tag in table[1]["tags"]} > set(table[1]["tags_given"])


def test_a_data_set_is_converted(art: Collection, tmp_path: Path) -> None:
    folder = Path(art.store.manifest.image_root)
    done = CliRunner().invoke(
        app, ["dataset", "convert", str(folder / "posts.jsonl"), "--out", str(tmp_path / "t.jsonl")]
    )
    assert (done.exit_code, done.stdout.split(",")[0]) == (0, "5 pictures")
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert lines[1] == {
        "path": "12.png",
        "tags": ["-_-", "smile", "sensitive"],
        "categories": {"sensitive": "rating"},
        "group": "post 12",
        "post_id": 12,
        "score": 60,
        "date": "2022-12-31T23:59:59Z",
        "rating": "sensitive",
    }
    again = CliRunner().invoke(app, ["dataset", "convert", str(folder), "--out", str(tmp_path / "t.jsonl")])
    assert isinstance(again.exception, QueryError)
    for picture in folder.glob("*.png"):
        (tmp_path / picture.name).write_bytes(picture.read_bytes())
    (tmp_path / "t.jsonl").rename(tmp_path / "tags.jsonl")
    known = Sidecars(tmp_path, [tmp_path], strict=True).known("11.png")
    assert known == Sidecars(folder, [folder], strict=True).known("11.png")
