"""``i2v-search boards``: put on, shown, ordered and taken out."""

import json
import zipfile
from pathlib import Path

import pytest
from grids import GridEncoder, draw
from typer.testing import CliRunner

from i2v_search.cli.main import app
from i2v_search.collection.collection import Collection


@pytest.fixture
def art(tmp_path: Path) -> Collection:
    for number in range(4):
        draw(tmp_path / "art" / f"{number}.png", number)
    return Collection.build(tmp_path / "index", [tmp_path / "art"], encoder=GridEncoder())


def run(art: Collection, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["boards", *arguments, "--collection", str(art.directory)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_board_on_the_command_line(art: Collection, tmp_path: Path) -> None:
    assert run(art, "list").startswith("No boards")
    assert run(art, "put", "Mood", "2.png", "0.png", "3.png") == "Mood: 3 images\n"
    run(art, "put", "Mood", "1.png")
    run(art, "take", "Mood", "0.png")
    art.annotations.pictures.star([art["3.png"]])
    art.annotations.pictures.tag([art["2.png"]], ["night"])
    art.annotations.pictures.note(art["2.png"], "dusk")
    shown = [line.replace("art/", "") for line in run(art, "show", "Mood").splitlines()]
    assert shown == ["2.png: night; dusk", "* 3.png", "1.png"]
    paths = run(art, "show", "Mood", "-0").split("\0")
    assert [Path(path).name for path in paths] == ["2.png", "3.png", "1.png", ""]
    assert json.loads(run(art, "list", "--json"))[0]["size"] == 3

    run(art, "order", "Mood")
    order = [image["path"] for image in json.loads(run(art, "show", "Mood", "--json"))["pictures"]]
    assert order == [art[image].path for image in art.gradual_order(order)]


def test_a_board_is_exported(art: Collection, tmp_path: Path) -> None:
    run(art, "put", "Mood", "2.png", "0.png", "3.png")
    art.remove("3.png")
    (tmp_path / "art" / "0.png").unlink()
    done = run(art, "export", "Mood", str(tmp_path / "mood"), "--json")
    assert [Path(path).name for path in json.loads(done)["skipped"]] == ["3.png", "0.png"]
    folder = tmp_path / "mood"
    assert sorted(path.name for path in folder.iterdir()) == ["01 2.png", "board.json"]
    assert (folder / "01 2.png").read_bytes() == (tmp_path / "art" / "2.png").read_bytes()
    record = json.loads((folder / "board.json").read_text("utf-8"))
    assert [one["file"] for one in record["pictures"]] == ["01 2.png", "02 0.png", None]

    run(art, "export", "Mood", str(tmp_path / "mood.json"))
    assert json.loads((tmp_path / "mood.json").read_text("utf-8")) == record
    told = json.loads(run(art, "export", "Mood", str(tmp_path / "mood.zip"), "--json"))
    assert [Path(path).name for path in told["skipped"]] == ["3.png", "0.png"]
    with zipfile.ZipFile(tmp_path / "mood.zip") as archive:
        assert archive.namelist() == ["01 2.png", "board.json", "NOT INCLUDED.txt"]

    told = json.loads(run(art, "export", "Mood", str(tmp_path / "mood.png"), "--json"))
    assert [Path(path).name for path in told["skipped"]] == ["3.png", "0.png"]
    assert (tmp_path / "mood.png").read_bytes().startswith(b"\x89PNG")
    run(art, "export", "Mood", str(tmp_path / "mood.bee"))
    assert (tmp_path / "mood.bee").read_bytes().startswith(b"SQLite format 3")


def test_notes_are_written_for_other_programs(art: Collection, tmp_path: Path) -> None:
    art.annotations.pictures.tag([art["2.png"]], ["night"])
    done = CliRunner().invoke(app, ["notes", str(tmp_path / "out"), "-c", str(art.directory), "--json"])
    assert json.loads(done.stdout) == {"written": 1, "skipped": []}
    assert "<rdf:li>night</rdf:li>" in (tmp_path / "out" / "2.png.xmp").read_text("utf-8")
    CliRunner().invoke(app, ["notes", str(tmp_path / "kept.json"), "-c", str(art.directory)])
    assert json.loads((tmp_path / "kept.json").read_text("utf-8"))["pictures"][0]["tags"] == ["night"]
    assert CliRunner().invoke(app, ["notes", "-c", str(art.directory)]).exit_code == 2
