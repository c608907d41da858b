"""The example of a package that adds to i2v-search, installed as a stranger's would be."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from folders import ROOT
from PIL import Image

from i2v_search import Collection, load_tagger
from i2v_search.encoders.base import Tagger
from i2v_search.encoders.registry import tagger_names
from i2v_search.errors import EncoderError

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the package is installed into, by pip and without a network."""
    copied, target = tmp_path_factory.mktemp("plugin"), tmp_path_factory.mktemp("installed")
    for file in (ROOT / "examples" / "plugin").rglob("*"):
        if file.is_file() and file.suffix in {".py", ".toml"}:
            place = copied / file.relative_to(ROOT / "examples" / "plugin")
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(file.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    options = ["--no-deps", "--no-build-isolation", "--no-compile", "--target", os.fspath(target)]
    subprocess.run([*pip, *options, os.fspath(copied)], check=True)
    return target


def test_an_encoder_a_tagger_and_a_source_of_a_package_are_there(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colours = {"night": (0, 0, 60), "day": (250, 250, 255), "fire": (255, 90, 0)}
    for name, colour in colours.items():
        Image.new("RGB", (90, 60), colour).save(tmp_path / f"{name}.png")
    listed = "".join(f"{tmp_path / name}.png\n" for name in colours)
    (tmp_path / "chosen.txt").write_text(listed + f"{tmp_path / 'gone.png'}\n")

    command = ["build", f"list://{tmp_path}/chosen.txt", "-c", os.fspath(tmp_path / "index")]
    plugged = ["--encoder", "colour-grid", "--tagger", "brightness"]
    path = os.pathsep.join([os.fspath(installed), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, "-m", "i2v_search", *command, *plugged],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        check=True,
    )

    monkeypatch.syspath_prepend(os.fspath(installed))
    assert "brightness" in tagger_names()
    assert isinstance(load_tagger("brightness"), Tagger)
    with Collection.open(tmp_path / "index") as art:
        assert (len(art), art.info().dimension) == (3, 192)
        tags = {image.path.rpartition("-")[2]: {tag.name for tag in image.tags} for image in art}
        assert "dark" in tags["night.png"]
        assert "bright" in tags["day.png"]
        assert "colourful" in tags["fire.png"]
        found = art.search(np.asarray(art.vectors()[0]), top=3)
        assert found.hits[0].id == art.ids[0]


def test_a_broken_tagger_is_an_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = tmp_path / "broken-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[i2v_search.taggers]\nbroken = no_such_package:Tagger\n")
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    with pytest.raises(EncoderError, match="tagger 'broken' cannot be loaded from no_such_package:Tagger"):
        load_tagger("broken")
