"""A file where the folder of a collection belongs is one named error, whatever the command."""

from pathlib import Path

import pytest
from grids import draw_folder
from stores import make_store, random_vectors

from i2v_search.cli.main import main

COMMANDS = [
    *("info", "verify", "verify --repair", "compact", "index", "search 0", "morph 0 1", "remove 0"),
    *("add images", "build images", "extract images", "export out.npy", "map --out map.html", "duplicates"),
    *("relocate a b", "merge other", "serve --no-open", "push", "sync", "demo"),
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", ["notes.txt", "notes.txt/inside"])
def test_a_file_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    place: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_folder(tmp_path / "images", 2)
    (tmp_path / "notes.txt").write_text("mine")
    make_store(tmp_path / "other", random_vectors(2, 8))
    monkeypatch.setattr("sys.argv", ["i2v-search", *command.split(), "-c", place])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "notes.txt is a file, not a collection folder; choose another" in said
    assert (tmp_path / "notes.txt").read_text() == "mine"
