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

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_public_name_is_in_the_readme_and_has_a_docstring() -> None:
    for name in i2v_search.__all__:
        assert f"`{name}`" in README, f"README does not mention {name}"
        assert getattr(i2v_search, name).__doc__, f"{name} has no docstring"


def test_every_public_name_has_an_example_that_runs() -> None:
    finder = doctest.DocTestFinder(recurse=False)
    for name in i2v_search.__all__:
        found = finder.find(getattr(i2v_search, name), name, module=False)
        steps = [step for test in found for step in test.examples]
        runs = any(not step.options.get(doctest.SKIP) for step in steps)
        assert runs, f"{name}: {len(steps)} lines of an example"


@pytest.fixture(scope="module")
def examples() -> dict[str, str]:
    """The Python of the README by the first name that it imports."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    found = {re.findall(r"^from i2v_search import (\w+)", block, re.MULTILINE)[0]: block for block in blocks}
    assert len(found) == len(blocks)
    return found


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


def test_the_search_example_of_the_readme_runs(
    art: Path, examples: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    colours = {"sketch.png": "teal", "kitten.png": "black", "loud.png": "red", "butterfly.png": "gold"}
    colours["page.png"] = "navy"
    for name, colour in colours.items():
        Image.new("RGB", (90, 60), colour).save(name)
    exec(compile(examples["Collection"], "README", "exec"), {})
    with Image.open("references.png") as picture:
        assert picture.width > 300
    assert "birds/" in capsys.readouterr().out


def test_the_training_example_of_the_readme_runs(
    art: Path, examples: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = examples["TrainingSettings"].replace(
        "epochs=10", "epochs=2, copies=1, minimum=15, validation=0.4"
    )
    exec(compile(held_out.replace("held_out=0.1", "held_out=0.4"), "README", "exec"), {})
    measured, differences = capsys.readouterr().out.splitlines()
    assert 0 < float(measured) <= 1
    assert "'measure': 'mAP'" in differences


@pytest.mark.skipif(
    find_spec("pymilvus") is None or find_spec("milvus_lite") is None,
    reason="the extra milvus is not installed",
)
def test_the_milvus_example_of_the_readme_runs(
    art: Path, examples: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    i2v_search.Collection.build("index/art", ["art/fruit"])
    exec(compile(examples["push_to_milvus"], "README", "exec"), {})
    assert "Hit(rank=1" in capsys.readouterr().out


def test_the_encoder_example_of_the_readme_runs(
    art: Path, examples: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i2v_search.encoders.registry._FACTORIES", {})
    exec(compile(examples["EncoderInfo"], "README", "exec"), {})
    tiny = i2v_search.Collection.build("tiny", ["art"], encoder="thumbnails")
    assert tiny.info().dimension == 192


def test_every_command_and_option_is_in_the_readme() -> None:
    for name, command in commands(typer.main.get_command(app)):
        group, _, verb = name.rpartition(" ")
        table = group and re.search(rf"^\| `i2v-search {group}` \|.*`{verb}`", README, re.MULTILINE)
        assert table or f"i2v-search {name}" in README, f"README does not show {name}"
        for parameter in command.params:
            long = [option for option in parameter.opts if option.startswith("--")]
            shown = any(re.search(rf"{option}(?![\w-])", README) for option in long)
            assert shown or not long, f"README lacks {long} of {name}"


def test_the_tags_of_the_readme_are_tags_of_the_default_encoder() -> None:
    before_other_weights = README.partition("## Using the original weights")[0]
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
