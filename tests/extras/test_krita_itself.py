"""The docker in Krita itself, where it is installed with a screen that nobody sees."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from folders import ROOT
from grids import GridEncoder, draw_folder
from web_server import running

from i2v_search.collection.collection import Collection
from i2v_search.images.decoding import load_image
from i2v_search.web.server_settings import ServerSettings

APP = "connected-by-this-test"
KRITA = ("krita", "timeout", "xvfb-run", "xauth")


def plugged_in(home: Path) -> None:
    """A home in which Krita finds the docker, and the probe that uses it."""
    plugins, settings = home / ".local/share/krita/pykrita", home / ".config" / "kritarc"
    shutil.copytree(ROOT / "extras" / "krita", plugins)
    (plugins / "probe").mkdir()
    shutil.copy(ROOT / "tests" / "support" / "krita_probe.py", plugins / "probe" / "__init__.py")
    entry = (plugins / "i2v_search_docker.desktop").read_text()
    (plugins / "probe.desktop").write_text(entry.replace("i2v_search_docker", "probe"))
    settings.parent.mkdir()
    settings.write_text("[python]\nenable_i2v_search_docker=true\nenable_probe=true\n")


@pytest.mark.skipif(not all(map(shutil.which, KRITA)), reason="Krita, xvfb and xauth are not installed")
def test_it_shows_what_is_like_the_canvas_and_brings_it_in(tmp_path: Path, loaded: list[GridEncoder]) -> None:
    art = draw_folder(tmp_path / "art", 5)
    for number in range(5):
        load_image(art / f"{number:04d}.png").resize((240, 160)).save(art / f"{number:04d}.png")
    collection = Collection.build(tmp_path / "index", art, encoder="grid")
    plugged_in(tmp_path / "home")
    with running(collection, tmp_path / "cache", ServerSettings(app_token=APP)) as server:
        environment = {
            **os.environ,
            "HOME": str(tmp_path / "home"),
            "PROBE_ADDRESS": f"{server.url}/#token={APP}",
            "PROBE_PICTURE": str(art / "0002.png"),
            "PROBE_TOLD": str(tmp_path / "told.json"),
        }
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "PYTHONPATH"):
            environment.pop(name, None)
        subprocess.run(
            ["xvfb-run", "-a", "timeout", "120", "krita", "--nosplash"],
            env=environment,
            check=True,
            capture_output=True,
        )
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["problem"] == ""
    assert told["found"][0].startswith("<p>000")
    assert len(told["found"]) == 5
    assert told["drawn"]
    # The last holds the reference images.
    assert told["layers"] == ["paintlayer", "paintlayer", "paintlayer", "vectorlayer"]
    assert told["asks"] == "2"
