"""Files of the catalogue told by their content, and relatives of them by the outline of their graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from i2v_search.encoders.known_models import Catalogue, KnownFile, KnownModel
from i2v_search.encoders.model_card import OnnxDescription
from i2v_search.encoders.onnx_outline import Outline, Shape, read_outline
from i2v_search.errors import EncoderError, WeightsError
from i2v_search.files import file_sha256


@dataclass(frozen=True)
class Recognised:
    """What a file is.

    Attributes:
        known: the entry of the catalogue.
        file: its file.
        exactly: whether it is that very file, by its SHA-256; otherwise a tagger with the same input and as
            many tags, such as another training.
    """

    known: KnownModel
    file: KnownFile
    exactly: bool

    @property
    def by(self) -> str:
        """What tells it."""
        return "its SHA-256" if self.exactly else "its input and its number of tags"


def recognise(file: Path, catalogue: Catalogue) -> Recognised | None:
    """Tell what a file is; None if the catalogue has nothing like it, or it cannot be read."""
    try:
        found = next(catalogue.with_hash(file_sha256(file)), None)
        outline = None if found else read_outline(file)
    except (OSError, WeightsError):
        return None
    if found is not None:
        return Recognised(*found, exactly=True)
    for known in catalogue.model:
        if outline is not None and _is_like(outline, known, catalogue):
            return Recognised(known, known.of_role("model")[0], exactly=False)
    return None


def _is_like(outline: Outline, known: KnownModel, catalogue: Catalogue) -> bool:
    """Whether a graph takes the same images as a tagger, and gives as many tags."""
    if known.tags is None or known.like is None:
        return False
    try:
        description = catalogue.description(known, list(outline.outputs))
    except EncoderError:
        return False
    tags = outline.outputs.get(description.tag_output or "", ())
    return tags[-1:] == (known.tags,) and any(_takes(shape, description) for shape in outline.inputs.values())


def _takes(shape: Shape, description: OnnxDescription) -> bool:
    side = description.size
    image = (3, side, side) if description.layout == "NCHW" else (side, side, 3)
    return len(shape) == 4 and all(have in {None, want} for have, want in zip(shape[1:], image, strict=True))
