"""What had another name one release ago works by it, and says what it is called now."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from typer.testing import CliRunner

import i2v_search
from i2v_search import Collection, Device, load_encoder
from i2v_search.cli.main import app
from i2v_search.cli.renamed import RENAMED


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
        told = CliRunner().invoke(app, [command, "--help"], terminal_width=200).output
        for old, now in names.items():
            assert old not in told.split()
            assert now in told


def test_a_device_is_known_by_its_name(tmp_path: Path) -> None:
    assert Device.of("cpu") == Device("cpu")
    with pytest.raises(i2v_search.I2VSearchError, match="unknown device 'gpu'; available: auto, cpu"):
        load_encoder("lite", "gpu")  # type: ignore[arg-type]
    assert "device" in inspect.signature(load_encoder).parameters
