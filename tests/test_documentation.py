"""Documentation and code say the same."""

from __future__ import annotations

import doctest
import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer.main
from command_tree import commands
from folders import ROOT
from PIL import Image

import i2v_search
from i2v_search.choices import Device
from i2v_search.cli.main import app
from i2v_search.encoders.registry import load_tagger


def page(name: str) -> str:
    """The text of a page of ``docs``, or of a file of the root."""
    return (ROOT / name).read_text(encoding="utf-8")


README = page("README.md")
COMMANDS = page("docs/commands.md")


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= 1300, "what is longer belongs into docs/"


def test_every_public_name_is_documented_and_has_a_docstring() -> None:
    names = page("docs/python.md")
    for name in i2v_search.__all__:
        assert f"`{name}`" in names, f"docs/python.md does not mention {name}"
        assert getattr(i2v_search, name).__doc__, f"{name} has no docstring"


def test_every_public_name_has_an_example_that_runs() -> None:
    finder = doctest.DocTestFinder(recurse=False)
    for name in i2v_search.__all__:
        found = finder.find(getattr(i2v_search, name), name, module=False)
        steps = [step for test in found for step in test.examples]
        runs = any(not step.options.get(doctest.SKIP) for step in steps)
        assert runs, f"{name}: {len(steps)} lines of an example"


def examples(name: str) -> list[str]:
    """The Python of a page, block by block."""
    return re.findall(r"```python\n(.*?)```", page(name), re.DOTALL)


@pytest.fixture
def art(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a folder ``art`` of tagged pictures."""
    monkeypatch.chdir(tmp_path)
    for source, name in (("birds", "birds"), ("cats-and-dogs", "cats"), ("fruit", "fruit")):
        shutil.copytree(i2v_search.sample_directory() / source, f"art/{name}")
    shutil.copy("art/birds/hen-01.webp", "art/birds/owl.png")
    kept = []
    for line in (i2v_search.sample_directory() / "tags.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line.replace("cats-and-dogs/", "cats/", 1))
        if Path("art", entry["path"]).exists():
            kept.append(json.dumps(entry))
    Path("art/tags.jsonl").write_text("\n".join(kept), encoding="utf-8")
    return tmp_path / "art"


def test_the_search_examples_run(art: Path, capsys: pytest.CaptureFixture[str]) -> None:
    colours = {"sketch.png": "teal", "kitten.png": "black", "loud.png": "red", "butterfly.png": "gold"}
    colours["page.png"] = "navy"
    for name, colour in colours.items():
        Image.new("RGB", (90, 60), colour).save(name)
    (short,) = examples("README.md")
    long, _, _ = examples("docs/python.md")
    for example in (short, long):
        exec(compile(example, "documentation", "exec"), {})
    with Image.open("references.png") as picture:
        assert picture.width > 300
    assert "birds/" in capsys.readouterr().out


def test_the_training_example_runs(art: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held_out = examples("docs/python.md")[1].replace(
        "epochs=10", "epochs=2, copies=1, minimum=15, validation=0.4"
    )
    exec(compile(held_out.replace("held_out=0.1", "held_out=0.4"), "documentation", "exec"), {})
    measured, differences = capsys.readouterr().out.splitlines()
    assert 0 < float(measured) <= 1
    assert "'measure': 'mAP'" in differences


@pytest.mark.skipif(
    find_spec("pymilvus") is None or find_spec("milvus_lite") is None,
    reason="the extra milvus is not installed",
)
def test_the_milvus_example_runs(art: Path, capsys: pytest.CaptureFixture[str]) -> None:
    i2v_search.Collection.build("index/art", ["art/fruit"])
    (example,) = examples("docs/milvus.md")
    exec(compile(example, "documentation", "exec"), {})
    assert "Hit(rank=1" in capsys.readouterr().out


def test_the_encoder_example_runs(art: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2v_search.encoders.registry._FACTORIES", {})
    exec(compile(examples("docs/python.md")[2], "documentation", "exec"), {})
    tiny = i2v_search.Collection.build("tiny", ["art"], encoder="thumbnails")
    assert tiny.info().dimension == 192


def test_the_encoder_example_is_code_whose_types_are_checked() -> None:
    checked = (ROOT / "tests" / "support" / "user_code.py").read_text(encoding="utf-8")
    plug_in = examples("docs/python.md")[2].partition("class ")[2].partition("  # then")[0]
    assert plug_in in checked


def test_every_command_and_option_is_documented() -> None:
    documentation = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    for name, command in commands(typer.main.get_command(app)):
        group, _, verb = name.rpartition(" ")
        table = group and re.search(rf"^\| `i2v-search {group}` \|.*`{verb}`", COMMANDS, re.MULTILINE)
        assert table or f"i2v-search {name}" in documentation, f"docs do not show {name}"
        for parameter in command.params:
            long = [option for option in parameter.opts if option.startswith("--")]
            shown = any(re.search(rf"{option}(?![\w-])", documentation) for option in long)
            assert shown or not long, f"docs lack {long} of {name}"


def test_the_tags_of_the_first_examples_are_tags_of_the_default_encoder() -> None:
    before_other_weights = README + page("docs/search.md") + page("docs/python.md")
    known = set(load_tagger("lite", Device("cpu", 1)).vocabulary.names)
    found = re.findall(r"""tags[= ](["'])(.+?)\1""", before_other_weights)
    assert len(found) >= 3
    for _, tags in found:
        assert {tag.strip(" -") for tag in tags.split(",")} <= known


def test_links_in_the_documentation_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "index" / "README.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_all_is_sorted_and_every_name_resolves() -> None:
    assert list(i2v_search.__all__) == sorted(i2v_search.__all__, key=lambda n: (n[0].islower(), n))
    assert set(i2v_search.__all__) == {*i2v_search._HOMES, *i2v_search._MODULES}


def test_the_map_of_the_house_shows_every_room_and_names_no_module_that_is_not_there() -> None:
    house = (
        (ROOT / "CONTRIBUTING.md")
        .read_text(encoding="utf-8")
        .partition("## The map\n")[2]
        .partition("## The page")[0]
    )
    package = ROOT / "i2v_search"
    rooms = re.findall(r"^\| `(\w+)` \|", house, re.MULTILINE)
    assert sorted(rooms) == sorted(path.parent.name for path in package.glob("*/__init__.py"))
    for name in re.findall(r"`(\w+(?:/\w+)+)", house):
        if name.split("/")[0] in rooms:
            assert (package / f"{name}.py").exists() or (package / name).is_dir(), f"there is no {name}"
