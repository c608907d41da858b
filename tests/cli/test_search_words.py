"""Words on the command line: what a QUERY is taken for, ``--text``, weights, sheets, morphs."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from i2v_search.cli.main import app
from i2v_search.collection.collection import Collection

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def art(sample_collection: Collection) -> str:
    return str(sample_collection.directory)


def run(*arguments: str, code: int = 0) -> str:
    done = RUNNER.invoke(app, list(arguments))
    assert done.exit_code == code, done.output
    return done.output + str(done.exception or "")


def test_words_are_searched_for_and_the_table_says_why(art: str) -> None:
    output = run("search", "an owl", "--collection", art, "-k", "3")
    assert "'an owl' is not an id, path or file; searched as text" in output
    assert "found by" in output
    assert "owl" in output.split("found by")[1].splitlines()[1]


def test_text_is_text_even_where_it_is_a_number_or_a_name(art: str) -> None:
    found = json.loads(run("search", "--text", "3", "--collection", art, "--json"))
    assert found["query"] == '"3"'
    found = json.loads(
        run("search", "--text", "birds/owl-on-branch-ganson.webp", "-k", "1", "--collection", art, "--json")
    )
    assert "owl" in found["hits"][0]["path"]
    assert found["hits"][0]["why"][0] == "name"


def test_json_and_paths_hold_no_remarks(art: str) -> None:
    assert json.loads(run("search", "red flower", "--collection", art, "--json"))["hits"]
    paths = run("search", "red flower", "--collection", art, "--paths-only").splitlines()
    assert paths
    assert all(Path(path).is_file() for path in paths)


def test_what_looks_like_a_path_is_an_error(art: str) -> None:
    assert "is not an id, a path in the collection or a file" in run(
        "search", "owl.pgn", "--collection", art, code=1
    )


def test_weights_count_texts_after_queries(art: str) -> None:
    arguments = ("search", "owl", "--text", "night", "--collection", art, "--json")
    assert json.loads(run(*arguments, "--weights", "1,0.5"))["query"] == '"owl", "night"'
    assert "--weights has 1 numbers for 2 queries" in run(*arguments, "--weights", "1", code=2)


def test_each_takes_words_and_not_takes_them_too(art: str) -> None:
    found = json.loads(run("search", "owl", "frog", "--each", "--not", "red", "--collection", art, "--json"))
    assert [result["query"] for result in found] == ['"owl", not "red"', '"frog", not "red"']


def test_a_sheet_of_words_shows_the_hits_alone(art: str, tmp_path: Path) -> None:
    run("search", "owl", "-k", "4", "--sheet", str(tmp_path / "sheet.png"), "--collection", art)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 100
    run(
        "search",
        "owl",
        "frog",
        "--each",
        "-k",
        "4",
        "--sheet",
        str(tmp_path / "two.png"),
        "--collection",
        art,
    )
    with Image.open(tmp_path / "two.png") as two:
        assert two.height > sheet.height


def test_a_morph_from_words_to_words_shows_what_they_became(art: str) -> None:
    output = run("morph", "an owl", "a strawberry", "-n", "2", "--collection", art)
    assert '("an owl")' in " ".join(output.split())
    found = json.loads(run("morph", "an owl", "a strawberry", "-n", "1", "--collection", art, "--json"))
    assert [stop["text"] for stop in found["stops"]] == ["an owl", "", "a strawberry"]
