"""Files that strangers can name, each kind: a pipe in its place is refused, neither waited for nor read."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from in_time import in_time

from i2v_search.build.ray.cluster_progress import _read_beat
from i2v_search.build.ray.shards import ShardOutcome
from i2v_search.build.recipe import Recipe
from i2v_search.build.upkeep.damaged_files import map_damaged
from i2v_search.encoders.getting import import_known
from i2v_search.encoders.importing import import_weights
from i2v_search.encoders.known_models import load_catalogue
from i2v_search.encoders.model_files import ORIGIN, read_origin
from i2v_search.encoders.model_folder import CARD, _read_card, load_array
from i2v_search.encoders.onnx_files import read_model
from i2v_search.encoders.onnx_outline import read_outline
from i2v_search.encoders.sentencepiece import tokenizer_json
from i2v_search.encoders.tensors import map_tensors
from i2v_search.encoders.tokenizing import load_tokenizer
from i2v_search.encoders.weights.checkpoints import _detect_archive, read_weights
from i2v_search.encoders.weights.npy import read_npz
from i2v_search.encoders.weights.prototxt import read_prototxt
from i2v_search.encoders.weights.torch_checkpoint import read_torch
from i2v_search.errors import I2VSearchError
from i2v_search.files import file_sha256, open_regular, read_regular
from i2v_search.images.archives import walk_archive
from i2v_search.images.captions import read_caption
from i2v_search.images.decoding import load_image
from i2v_search.images.exclusion import Exclusion
from i2v_search.images.sidecar import Sidecars
from i2v_search.index.map_cache import MapCache
from i2v_search.search.duplicates.look_cache import CACHE_NAME, LookCache
from i2v_search.search.proven_copies import COPIES_NAME, read_proven
from i2v_search.search.query import read_vectors
from i2v_search.store.arrays import open_arrays
from i2v_search.store.manifest import FILE_NAME, Manifest
from i2v_search.tags.lists import read_vocabulary
from i2v_search.tags.thresholds import read_thresholds
from i2v_search.training.checkpoint import STATE, load_checkpoint
from i2v_search.training.datasets.dataset import read_dataset
from i2v_search.training.run import _read_run
from i2v_search.training.samples import FEATURES, _open_features
from i2v_search.web.jobs.picture_files import PictureFiles

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")

#: What kind of file it is, its name, and what opens it, given its path.
KINDS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "any file": ("file", open_regular),
    "a whole file": ("file", read_regular),
    "a checksum": ("file", file_sha256),
    "an image": ("a.png", load_image),
    "a zip of images": ("a.zip", lambda path: list(walk_archive(str(path)))),
    "a tar of images": ("a.tar.gz", lambda path: list(walk_archive(str(path)))),
    "query vectors": ("a.npy", read_vectors),
    "a caption": ("a.txt", read_caption),
    "patterns of what is left out": (".i2vignore", lambda path: Exclusion(str(path.parent)).excludes("a")),
    "tags beside images": ("tags.jsonl", lambda path: Sidecars(path.parent, [path.parent])),
    "a data set": ("tags.jsonl", lambda path: read_dataset(path.parent)),
    "metadata of a data set": ("posts.json", read_dataset),
    "a recipe": ("recipe.toml", Recipe.load),
    "a list of tags": ("tags.json", read_vocabulary),
    "thresholds": ("thresholds.npz", read_thresholds),
    "weights to import": ("a.caffemodel", lambda path: import_weights(path, name="a")),
    "weights of any kind": ("weights", read_weights),
    "an archive of weights": ("weights.npz", read_npz),
    "an archive of weights, not yet told": ("weights.zip", _detect_archive),
    "weights of torch": ("weights.pth", read_torch),
    "weights that may be known": ("a.onnx", import_known),
    "the outline of an ONNX model": ("a.onnx", read_outline),
    "a catalogue of models": ("models.toml", load_catalogue),
    "the origin of a model": (ORIGIN, lambda path: read_origin(path.parent)),
    "tensors": ("weights.safetensors", map_tensors),
    "an ONNX model": ("model.onnx", read_model),
    "a tokenizer": ("tokenizer.json", load_tokenizer),
    "a tokenizer of SentencePiece": ("spiece.model", tokenizer_json),
    "a description of a network": ("deploy.prototxt", read_prototxt),
    "a model's card": (CARD, lambda path: _read_card(path, "import it again")),
    "a model's mean": ("mean.npy", load_array),
    "a manifest": (FILE_NAME, lambda path: Manifest.load(path.parent)),
    "a manifest, compared": (FILE_NAME, lambda path: Manifest.is_as_saved(path.parent)),
    "a feature file": ("part.h5", open_arrays),
    "a damaged feature file": ("part.h5", lambda path: map_damaged(path, 4)),
    "looks of duplicates": (CACHE_NAME, lambda path: LookCache(path.parent)),
    "copies that were proven": (COPIES_NAME, lambda path: read_proven(path.parent)),
    "a map": ("key.zip", lambda path: MapCache(path.parent).find("key")),
    "a thumbnail": ("ab/abc", lambda path: PictureFiles(path.parent.parent, 1).find("abc")),
    "a finished shard": ("outcome.json", lambda path: ShardOutcome.load(path.parent)),
    "the progress of a shard": ("beat", _read_beat),
    "a checkpoint of training": (STATE, lambda path: load_checkpoint(path.parent)),
    "the settings of a training": ("run.json", _read_run),
    "features of training": (FEATURES, lambda path: _features(path)),
}


def _features(path: Path) -> None:
    (path.parent / "features.json").write_text('{"key": "key", "done": 1}')
    _open_features(path.parent, "key", (1, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipe_is_neither_waited_for_nor_read(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, read = KINDS[kind]
    monkeypatch.setenv("I2V_SEARCH_MODELS", str(tmp_path / "models"))
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    both_ends = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(both_ends, b"for somebody else")
        with suppress(I2VSearchError, OSError):
            in_time(partial(read, path))
        assert os.read(both_ends, 100) == b"for somebody else"
    finally:
        os.close(both_ends)


def test_a_file_that_becomes_a_pipe_between_the_look_and_the_opening_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    regular = (tmp_path / "file").stat()
    monkeypatch.setattr("i2v_search.files.os.stat", lambda _path: regular)
    with pytest.raises(OSError, match="a named pipe, not a file"):
        in_time(partial(open_regular, tmp_path / "pipe"))


@pytest.mark.parametrize("name", ["pipe", "folder"])
def test_what_is_no_file_is_not_even_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr("i2v_search.files.os.open", None)
    with pytest.raises(OSError, match=f"a (named )?{name}, not a file"):
        open_regular(tmp_path / name)
