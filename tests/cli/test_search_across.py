"""``search`` with several collections."""

import json
from pathlib import Path

from grids import GridEncoder, draw_folder
from typer.testing import CliRunner

from i2v_search.cli.main import app
from i2v_search.collection.collection import Collection


def test_several_collections_are_searched_as_one(tmp_path: Path, loaded: list[GridEncoder]) -> None:
    for name, first in (("ink", 0), ("oil", 10)):
        Collection.build(
            tmp_path / name, draw_folder(tmp_path / f"art-{name}", 5, first=first), encoder="grid"
        )
    both = ["--collection", str(tmp_path / "ink"), "-c", str(tmp_path / "oil")]

    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["search", "0002.png", *both, *arguments])
        assert result.exit_code == code, result.output
        return result.output

    found = json.loads(run("--json", "-k", "20"))
    assert len(found["hits"]) == 9
    assert {hit["collection"] for hit in found["hits"]} == {str(tmp_path / "ink"), str(tmp_path / "oil")}
    best = found["hits"][0]
    assert f"{best['collection']}: {best['path']}" in run("-k", "1")
    printed = run("-f", "-k", "20").splitlines()
    assert sorted(Path(path).name for path in printed) == sorted(
        Path(hit["path"]).name for hit in found["hits"]
    )
    assert all(Path(path).is_file() for path in printed)
    assert "takes no --each" in run("--each", code=2)
