"""Drawings and parts of pictures on the command line: ``--sketch``, ``--crop``, and what is said of them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from i2v_search.cli.main import app
from i2v_search.collection.collection import Collection
from i2v_search.search.examples import Example
from i2v_search.search.view_forms import view_method
from i2v_search.store.view_file import VIEW_KINDS, ViewFile, Views, ViewWriter, view_path

RUNNER = CliRunner()
NOTICE = "looks like a drawing of lines; --sketch searches for it as one"


@pytest.fixture(scope="module")
def art(sample_collection: Collection) -> str:
    return str(sample_collection.directory)


@pytest.fixture
def drawing(tmp_path: Path) -> str:
    image = Image.new("RGB", (400, 400), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((60, 60, 340, 340), outline="black", width=6)
    pen.line((200, 60, 220, 20), fill="black", width=6)
    image.save(tmp_path / "drawing.png")
    return str(tmp_path / "drawing.png")


def run(*arguments: str, code: int = 0) -> str:
    done = RUNNER.invoke(app, list(arguments))
    assert done.exit_code == code, done.output
    return " ".join((done.output + str(done.exception or "")).split())


def found(art: str, *arguments: str) -> dict[str, object]:
    result: dict[str, object] = json.loads(run("search", *arguments, "--collection", art, "--json"))
    return result


def test_a_drawing_given_as_a_picture_is_noticed_once_and_only_for_people(art: str, drawing: str) -> None:
    assert run("search", drawing, "--collection", art).count(NOTICE) == 1
    assert NOTICE not in run("search", "--sketch", drawing, "--collection", art)
    assert NOTICE not in run("search", "1", "--collection", art)
    assert NOTICE not in run("search", drawing, "--collection", art, "--paths-only")
    assert found(art, drawing)["looks_like_sketch"] is True


def test_a_sketch_is_the_example_of_that_kind(art: str, drawing: str, sample_collection: Collection) -> None:
    by_command = found(art, "--sketch", drawing)
    assert by_command["query"] == f"{drawing} (sketch)"
    expected = sample_collection.search(Example(drawing, kind="sketch"))
    assert by_command["hits"] == [hit.to_dict() for hit in expected.hits]


def test_sketches_stand_beside_others_and_have_weights(art: str, drawing: str) -> None:
    query = found(art, "1", "--text", "fruit", "--sketch", drawing, "--sketch", "2", "--weights", "1,1,2,-1")
    assert str(query["query"]).endswith(f', "fruit", {drawing} (sketch), not {_path(art, 2)} (sketch)')


def test_each_sketch_is_searched_for_alone(art: str, drawing: str) -> None:
    output = run("search", "--each", "1", "--sketch", drawing, "--collection", art, "-k", "1", "--json")
    assert [one["query"] for one in json.loads(output)] == [_path(art, 1), f"{drawing} (sketch)"]


def test_dials_are_options_and_pictures_may_give_one_of_both(art: str, sample_collection: Collection) -> None:
    by_command = found(art, "3", "--style", "0.25")
    assert by_command["hits"] == [hit.to_dict() for hit in sample_collection.search(3, style=0.25).hits]
    both = found(art, "--subject-of", "3", "--style-of", "50", "--weights", "2,1")
    expected = sample_collection.search([Example(3, 2, style=0), Example(50, subject=0)])
    assert both["hits"] == [hit.to_dict() for hit in expected.hits]
    assert both["query"] == f"{_path(art, 3)} (style 0), {_path(art, 50)} (subject 0)"
    assert "both 0" in run("search", "3", "--style", "0", "--subject", "0", "--collection", art, code=1)


@pytest.mark.parametrize("crop", ["10%,20%,40%,50%", "40,80,160,200", "10%, 80, 40%, 200"])
def test_a_crop_is_in_percent_or_pixels_of_the_picture(art: str, drawing: str, crop: str) -> None:
    assert found(art, drawing, "--crop", crop)["query"] == f"{drawing} (crop 10,20,40,50 %)"
    query = found(art, "--text", "red", "--sketch", drawing, "--crop", crop)["query"]
    assert query == f'"red", {drawing} (sketch, crop 10,20,40,50 %)'


def test_pixels_of_an_image_of_the_collection_are_those_of_its_file(
    art: str, sample_collection: Collection
) -> None:
    image = sample_collection[4]
    half = f"0,0,{image.size[0] / 2},{image.size[1]}"
    assert found(art, "4", "--crop", half)["query"] == f"{image.path} (crop 0,0,50,100 %)"


def test_a_sheet_begins_with_the_part_and_the_drawing(art: str, drawing: str, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    run("search", "--sketch", drawing, "--crop", "0,0,1,1", "--collection", art, "--sheet", str(sheet))
    assert sheet.is_file()
    run("search", "--each", "1", "--sketch", drawing, "--collection", art, "--sheet", str(sheet))
    assert sheet.is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["1", "--crop", "1,2,3"], 2, "--crop must be left,top,width,height in pixels or percent"),
        (["1", "--crop", "a,b,c,d"], 2, "--crop must be left,top,width,height in pixels or percent"),
        (["1", "2", "--crop", "0,0,9,9"], 2, "--crop takes a part of one query picture, not of 2"),
        (["--text", "owl", "--crop", "0,0,9,9"], 2, "--crop takes a part of one query picture, not of 0"),
        (["1", "--crop", "0,0,200%,10%"], 1, "is not inside the picture"),
        (["1", "--crop", "0,0,9999,9"], 1, "--crop 0,0,9999,9 is not inside the picture, which has 320 x "),
        (["--sketch", "nowhere.png"], 1, "'nowhere.png' is not an id, a path in the collection or a file"),
        (["--sketch", "an owl"], 1, "'an owl' is not an id, a path in the collection or a file"),
    ],
)
def test_what_cannot_be_is_one_clear_error(art: str, arguments: list[str], code: int, message: str) -> None:
    assert message in run("search", *arguments, "--collection", art, code=code)


def _path(art: str, number: int) -> str:
    return Collection.open(art)[number].path


def test_what_would_find_more_is_said_where_the_collection_lacks_it(
    drawing: str, sample_collection: Collection, tmp_path: Path
) -> None:
    own = tmp_path / "c"
    shutil.copytree(sample_collection.directory, own)
    asked = {"lines": ("--sketch", drawing), "details": (drawing, "--crop", "10%,10%,50%,50%")}
    said = "find more in a collection that is built with --"
    for query in asked.values():
        assert run("search", *query, "--collection", str(own)).count(said) == 1
        assert said not in run("search", *query, "--collection", str(own), "--json")
    store = sample_collection.store
    for kind in VIEW_KINDS:
        form = view_method(kind, store.manifest.encoder).form
        boxes, codes = np.tile([0, 0, 1, 1], (form.count, 1)), np.ones((form.count, form.size), np.int8)
        writer = ViewWriter(own, form)
        writer.append([Views(store.sha256(0), boxes, codes)])
        writer.close()
    for query in asked.values():
        assert said not in run("search", *query, "--collection", str(own))
    made_before = ViewFile(view_path(own, "lines")).form
    ViewWriter(own, replace(made_before, method="before")).close()
    assert run("search", *asked["lines"], "--collection", str(own)).count(said) == 1
    assert "lines of another version, not searched; build again" in run("info", "--collection", str(own))
