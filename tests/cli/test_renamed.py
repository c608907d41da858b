"""What had another name one release ago works by it, and says what it is called now."""

from __future__ import annotations

import inspect
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from grids import GridEncoder, draw_folder
from typer.testing import CliRunner

import i2v_search
from i2v_search import Collection, Device, IndexOptions, Recipe, load_encoder
from i2v_search.build.recipe import ImagesTable
from i2v_search.cli.main import app
from i2v_search.cli.renamed import RENAMED
from i2v_search.store.arrays import write_arrays
from i2v_search.store.manifest import Manifest


def test_old_names_of_arguments_work_and_warn(sample_collection: Collection) -> None:
    with pytest.warns(DeprecationWarning, match="argument engine is now device"):
        encoder = load_encoder("lite0", engine=Device("cpu", threads=1))  # type: ignore[call-arg]
    assert encoder.info.id.startswith("lite0")
    with pytest.warns(DeprecationWarning, match="is now") as told:
        Collection.open(sample_collection.directory, engine=Device("cpu"), search_engine="faiss")  # type: ignore[call-arg]
    assert [str(warning.message) for warning in told] == [
        "argument engine is now device",
        "argument search_engine is now backend",
    ]
    assert all(warning.filename == __file__ for warning in told)


def test_old_names_of_what_a_build_asked_and_did_work_and_warn(tmp_path: Path) -> None:
    images, asked = draw_folder(tmp_path / "images", 20), IndexOptions(kind="pca", pca_dimensions=8)
    with pytest.warns(DeprecationWarning, match="argument wishes is now index"):
        built = Collection.build(tmp_path / "c", [images], encoder=GridEncoder(), wishes=asked)  # type: ignore[call-arg]
    with pytest.warns(DeprecationWarning, match=r"Collection\.wishes is now index_options"):
        assert built.wishes == built.index_options == asked
    with pytest.warns(DeprecationWarning, match=r"Collection\.changes is now report\.extraction") as told:
        assert built.changes is built.report.extraction
    assert told[0].filename == __file__
    for method in (built.index, built.plan, built.is_indexed):
        with pytest.warns(DeprecationWarning, match="argument wishes is now options"):
            method(wishes=IndexOptions())  # type: ignore[call-arg]
    merged = Collection.merge(tmp_path / "m", tmp_path / "c")
    with pytest.warns(DeprecationWarning, match=r"Collection\.merged is now report\.merge"):
        assert merged.merged is merged.report.merge
    recipe = Recipe(collection="c", images=ImagesTable(sources=["x"]))
    with pytest.warns(DeprecationWarning, match=r"Recipe\.wishes\(\) is now options\(\)\.index"):
        assert recipe.wishes() == recipe.options().index


@pytest.mark.parametrize("name", sorted(i2v_search._RENAMED))
def test_old_public_names_work_and_warn(name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{name} is now {i2v_search._RENAMED[name]}"):
        old = getattr(i2v_search, name)
    assert old is getattr(i2v_search, i2v_search._RENAMED[name])


def test_the_old_way_to_choose_a_device_works() -> None:
    with pytest.warns(DeprecationWarning, match="is now (name|Device)"):
        old = i2v_search.Engine(device="cpu", threads=2)
    assert old == Device("cpu", threads=2)


@pytest.mark.parametrize(
    ("given", "now"),
    [
        (["search", "0", "--engine", "faiss"], "--backend"),
        (["search", "0", "--engine=faiss"], "--backend"),
        (["morph", "0", "5", "--not", "7", "--steps", "1"], "--avoid"),
    ],
)
def test_old_options_work_and_say_their_name(
    given: list[str], now: str, sample_collection: Collection
) -> None:
    done = CliRunner().invoke(app, [*given, "-c", str(sample_collection.directory), "--json"])
    assert done.exit_code == 0, done.output
    assert done.stderr == f"warning: {given[2 + (given[0] == 'morph')].partition('=')[0]} is now {now}\n"
    again = [argument.replace("--engine", now).replace("--not", now) for argument in given]
    quiet = CliRunner().invoke(app, [*again, "-c", str(sample_collection.directory), "--json"])
    assert quiet.stderr == ""


def test_old_options_are_not_in_the_help() -> None:
    for command, names in RENAMED.items():
        path = ["models", command] if command == "import" else [command]
        told = CliRunner().invoke(app, [*path, "--help"], terminal_width=200).output
        for old, now in names.items():
            assert old not in told.split()
            assert now.partition("=")[0] in told


def test_a_device_is_known_by_its_name(tmp_path: Path) -> None:
    assert Device.of("cpu") == Device("cpu")
    with pytest.raises(i2v_search.I2VSearchError, match="unknown device 'gpu'; available: auto, cpu"):
        load_encoder("lite", "gpu")  # type: ignore[arg-type]
    assert "device" in inspect.signature(load_encoder).parameters


@pytest.mark.parametrize("option", ["--reduced", "--no-reduced"])
def test_an_option_that_is_gone_is_passed_over_and_says_what_does_it_now(
    option: str, sample_collection: Collection
) -> None:
    done = CliRunner().invoke(
        app, ["index", "--plan", option, "-c", str(sample_collection.directory), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert done.stderr == f"warning: {option} does nothing now; see i2v-search export FILE.npy --pca 256\n"


@pytest.mark.parametrize("value", ["true", "false"])
def test_a_key_of_a_recipe_that_is_gone_is_passed_over(value: str, tmp_path: Path) -> None:
    file = tmp_path / "art.toml"
    file.write_text(f'collection = "art"\n[images]\nsources = ["sample:"]\n[index]\nreduced = {value}\n')
    told = pytest.warns(DeprecationWarning, match="reduced does nothing now; see i2v-search export")
    with told if value == "true" else nullcontext():
        assert Recipe.load(file).index.kind == "auto"


def test_a_collection_with_the_file_of_an_option_that_is_gone_opens(
    sample_collection: Collection, tmp_path: Path
) -> None:
    directory = tmp_path / "art"
    shutil.copytree(sample_collection.directory, directory)
    manifest = Manifest.load(directory)
    assert manifest.index is not None
    assert manifest.index.wishes is not None
    name = "reduced-00001.h5"
    file = write_arrays(directory / name, {"vectors": np.zeros((2, 2), np.float32)})
    wishes = manifest.index.wishes.model_copy(update={"reduced": True})
    files = {**manifest.index.files, "reduced": file}
    index = manifest.index.model_copy(update={"files": files, "wishes": wishes})
    manifest.updated(index=index).save(directory)
    opened = Collection.open(directory)
    assert opened.search(0, top=3).hits == sample_collection.search(0, top=3).hits
    opened.index()
    assert (directory / name).exists()
    opened.index(similarity="cosine")
    assert not (directory / name).exists()
