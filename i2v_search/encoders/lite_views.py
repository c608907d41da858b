"""Small vectors for views of pictures with `lite`: a projection of its 4,096 units.

Both kinds begin with the directions that its words are written in (`i2v_search.encoders.lite_text`): those in
which pictures differ most. Of these, ``details`` takes the first. For ``lines`` they are whitened: directions
in which a picture differs from its lines, or the lines of two drawings of one thing from each other, count
little. `scripts.lite.train_views` finds this in closed form.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.lite_head import model_folder, unit_rows
from i2v_search.encoders.lite_text import LiteText
from i2v_search.encoders.tensors import map_tensors
from i2v_search.errors import EncoderError, WeightsError

VIEWS: Final = "views.safetensors"
#: Numbers of a small vector.
SIZE: Final = 256


class LiteViews:
    """The projections.

    Args:
        text: whose directions they begin with.
        whitening: (`SIZE`, r) float16 for ``lines``.

    Attributes:
        encoder_sha256: SHA-256 of the weights of the image encoder, lower-case hex.
        name: changes whenever a projection does.
    """

    def __init__(self, text: LiteText, whitening: NDArray[np.float16]) -> None:
        directions = unit_directions(text)
        self._matrices = {
            "lines": whitening.astype(np.float32) @ directions,
            "details": directions[:SIZE],
        }
        self.encoder_sha256 = text.encoder_sha256
        self.name = hashlib.sha256(text.basis.tobytes() + whitening.tobytes()).hexdigest()[:16]

    @classmethod
    @cache
    def load(cls, folder: Path | None = None) -> LiteViews:
        """Load what `scripts.lite.views` wrote into a folder; None takes the one in the package.

        Raises:
            EncoderError: the file is missing or damaged.
        """
        folder = folder or model_folder()
        text = LiteText.load(folder)
        try:
            whitening = map_tensors(folder / VIEWS).get("views.lines")
            expected = (SIZE, len(text.basis))
            if whitening is None or whitening.dtype != np.float16 or whitening.shape != expected:
                raise WeightsError(f"it has no 'views.lines' of {expected} float16")
        except (OSError, WeightsError) as error:
            raise EncoderError(f"views of 'lite' cannot be loaded: {error}; reinstall i2v-search") from error
        return cls(text, whitening)

    def matrix(self, kind: Literal["lines", "details"]) -> NDArray[np.float32]:
        """(`SIZE`, 4096) float32 for views of a kind."""
        return self._matrices[kind]


def unit_directions(text: LiteText) -> NDArray[np.float32]:
    """(r, 4096) float32 unit rows: the directions that texts are written in."""
    return unit_rows(text.basis.astype(np.float32))
