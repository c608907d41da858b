"""What users write: never run, but its types are checked with those of the tests, by ``mypy --strict``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from i2v_search import (
    Collection,
    Device,
    Encoder,
    EncoderInfo,
    Encoding,
    Example,
    SearchResult,
    register_encoder,
)


class Thumbnails:
    info = EncoderInfo("thumbnails", "0" * 64, "rgb-8", 192)
    shrink_to, batch_size, vocabulary = 8, 64, None

    def __init__(self, device: Device) -> None: ...
    def prepare(self, image: Image.Image) -> Any:
        return np.asarray(image.resize((8, 8)), np.float32).ravel()

    def encode(self, inputs: Sequence[Any]) -> Encoding:
        return Encoding(np.stack(inputs))


register_encoder("thumbnails", Thumbnails)


def ask(art: Collection, tensor: Any) -> list[SearchResult]:
    """Queries of every kind that is documented."""
    vector = np.ones(4096)
    results = [
        art.search([0.5] * 4096, top=np.int64(3)),
        art.search(np.float64(1) * vector, top=5, offset=np.int64(0)),
        art.search(vector.astype(np.float16)),
        art.search(tensor),
        art.search([np.int64(1), "birds/owl.png", Example(vector, -0.5)]),
        *art.search_each([[0.5] * 4096, 17, "owl", [1, Example(2)]], top=5),
        *art.search_each(np.ones((2, 4096), np.float32)),
    ]
    art.morph(vector.tolist(), 17, via=[np.int64(3)], steps=np.int64(4))
    return results


def make(folder: Path) -> Collection:
    """Collections from vectors of every form."""
    rows, paths = np.ones((2, 4)), ["a", "b"]
    made = Collection.from_vectors(folder / "a", rows, paths=paths, tags=[["solo"], {"smile": 0.5}])
    made.add_vectors([rows, rows], ids=np.arange(4), tags=[("solo",)] * 4)
    Collection.from_vectors(folder / "b", folder / "a.npy", ids=range(2), similarity="l2", space="clip")
    return made


def plug_in() -> Encoder:
    """The plug-in satisfies the protocol."""
    return Thumbnails(Device("cpu"))
