"""The example of a notebook runs, and its last lines have what a notebook shows."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from folders import ROOT

pytestmark = pytest.mark.integration


def shown(values: dict[str, Any], source: str) -> Any:
    """Run a cell as IPython does: the value of its last line, which is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    exec(compile(tree, "cell", "exec"), values)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), values)


def test_the_notebook_runs_and_shows_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((ROOT / "examples" / "notebook.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    values: dict[str, Any] = {}
    collection, hits, sheet, strip, _ = (shown(values, cell) for cell in cells)
    assert collection._repr_html_().count("<img") > 3
    assert len(hits) == 9
    assert sheet._repr_png_().startswith(b"\x89PNG")
    assert strip._repr_png_().startswith(b"\x89PNG")
    assert strip.width > 3 * strip.height
