"""``verify --repair``, ``compact`` and ``relocate`` on the command line."""

import json
from pathlib import Path

import pytest
from small_build import make_parts_tiny
from typer.testing import CliRunner, Result
from worn import wear

from i2v_search import Collection
from i2v_search.cli.main import app


@pytest.fixture
def worn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_parts_tiny(monkeypatch.setattr)
    return wear(tmp_path / "worn", tmp_path / "images")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def damage(directory: Path) -> str:
    """Damage one row and one derived file; returns the path of the row's image."""
    store = Collection.open(directory).store
    part = store.parts[0]
    assert store.manifest.index is not None
    (directory / store.manifest.index.files["graph"].name).unlink()
    with part.path.open("rb+") as file:
        file.seek(part.offsets["norms"])
        file.write(b"\xff\xff")
    return part.image_path(0)


def test_compact(worn: Path) -> None:
    first, second = run("compact", "-c", worn), run("compact", "-c", worn)
    assert "dead rows dropped" in first.output
    assert "nothing to do" in second.output
    assert json.loads(run("compact", "-c", worn, "--json").stdout)["dropped"] == 0
    assert {first.exit_code, second.exit_code} == {0}


def test_relocate(worn: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.rename(tmp_path / "new")
    (tmp_path / "new" / "0000.png").unlink()
    count = len(Collection.open(worn))
    said = run("relocate", images, tmp_path / "new", "-c", worn)
    assert said.exit_code == 0
    assert f"{count} images moved, {count - 1} of them found" in said.output
    assert "1 are missing" in said.output
    again = run("relocate", tmp_path / "new", tmp_path / "gone", "-c", worn, "--force", "--json")
    assert json.loads(again.stdout)["missing"] == count


def test_verify_and_repair(worn: Path) -> None:
    assert run("verify", "-c", worn).exit_code == 0
    lost = damage(worn)
    found = run("verify", "-c", worn)
    assert found.exit_code == 1
    repaired = run("verify", "--repair", "-c", worn)
    assert repaired.exit_code == 1  # an image was lost
    assert f"1 images lost; to restore them, build from the folder again:\n  0 {lost}" in repaired.output
    assert "The index was rebuilt." in repaired.output
    assert "every file matches its checksum" in repaired.output
    again = run("verify", "--repair", "-c", worn, "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["repair"]["damages"] == json.loads(again.stdout)["damages"] == []


def test_a_repair_that_loses_nothing_is_a_success(worn: Path) -> None:
    index = Collection.open(worn).store.manifest.index
    assert index is not None
    (worn / index.files["faiss"].name).unlink()
    assert run("verify", "-c", worn).exit_code == 1
    assert run("verify", "--repair", "-c", worn).exit_code == 0
