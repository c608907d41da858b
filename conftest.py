"""Examples in docstrings run beside a folder of pictures, ``art``, and its collection, ``index/art``."""

import shutil
from pathlib import Path

import pytest
from _pytest.doctest import DoctestItem
from art_folder import lay_out_art


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ``art`` and ``index/art``, built once."""
    from i2v_search.collection.collection import Collection

    folder = tmp_path_factory.mktemp("examples")
    lay_out_art(folder / "art")
    Collection.build(folder / "index" / "art", [folder / "art"])
    return folder


@pytest.fixture(autouse=True)
def place_of_examples(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each example that reads ``art`` or ``index/art`` a copy of both; undo what it registers."""
    if not isinstance(request.node, DoctestItem):
        return
    source = "".join(example.source for example in request.node.dtest.examples)
    if "register_encoder(" in source:
        from i2v_search.encoders import registry

        monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    if '"art' in source or '"index/art"' in source:
        folder = request.getfixturevalue("tmp_path")
        shutil.copytree(request.getfixturevalue("gallery"), folder, dirs_exist_ok=True)
        monkeypatch.chdir(folder)
