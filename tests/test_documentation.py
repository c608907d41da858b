"""Documentation and code say the same."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer.main
from PIL import Image

import i2v_search
from i2v_search.cli.app import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_public_name_is_in_the_readme_and_has_a_docstring() -> None:
    for name in i2v_search.__all__:
        assert f"`{name}`" in README, f"README does not mention {name}"
        assert getattr(i2v_search, name).__doc__, f"{name} has no docstring"


def test_the_python_examples_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(i2v_search.sample_directory() / "birds", "art/birds")
    shutil.copytree(i2v_search.sample_directory() / "cats-and-dogs", "art/cats")
    shutil.copytree(i2v_search.sample_directory() / "fruit", "art/fruit")
    shutil.copy(i2v_search.sample_directory() / "tags.jsonl", "art")
    shutil.copy("art/birds/hen-01.webp", "art/birds/owl.png")
    for number, name in enumerate(("sketch.png", "kitten.png", "loud.png")):
        Image.new("RGB", (90, 60), ("teal", "black", "red")[number]).save(name)
    _original, search, encoder = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(search, "README", "exec"), {})
    with Image.open("references.png") as picture:
        assert picture.width > 300
    assert "birds/" in capsys.readouterr().out
    exec(compile(encoder, "README", "exec"), {})
    tiny = i2v_search.Collection.build("tiny", ["art"], encoder="thumbnails")
    assert tiny.info().dimension == 192


def test_every_command_and_option_is_in_the_readme() -> None:
    group: Any = typer.main.get_command(app)
    commands = {**group.commands, **group.commands["models"].commands}
    for name, command in commands.items():
        assert f"i2v-search {name}" in README or f"`{name}`" in README, f"README does not show {name}"
        for parameter in command.params:
            long = [option for option in parameter.opts if option.startswith("--")]
            assert not long or any(option in README for option in long), f"README lacks {long} of {name}"


def test_links_in_the_documentation_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "index" / "README.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_all_is_sorted_and_every_name_resolves() -> None:
    assert list(i2v_search.__all__) == sorted(i2v_search.__all__, key=lambda n: (n[0].islower(), n))
    assert set(i2v_search.__all__) == {*i2v_search._HOMES, "i2v"}
