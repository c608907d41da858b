"""What tells the subject of a picture and what its style, in the vectors of `lite`, and how to turn one down.

Both are symmetric matrices: directions in which drawings of one thing by several vendors differ tell their
style, and a search by subject counts them less; directions in which pictures of one vendor differ tell what
they show, and a search by style counts those less. A score ``q' M x`` is that of the query ``M q``, so
nothing of it is stored with the pictures, and any index answers it.
`scripts.lite.dials` makes the numbers; docs/decisions/0030-dials.md says what they bring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.lite_arrays import require_shapes, take_arrays
from i2v_search.encoders.lite_head import DIMENSION, model_folder
from i2v_search.encoders.tensors import map_tensors
from i2v_search.errors import EncoderError, WeightsError

DIALS = "dials.safetensors"


@dataclass(frozen=True)
class LiteDials:
    """Directions of subject and style, in rows compared standardised.

    Attributes:
        style_basis: (r, 4096) int8, orthogonal directions of style, and `style_scales` (r,) float32, for
            length 1.
        style_damping: (r,) float32, the share of a row's component in each that a search by subject takes
            away.
        subject_basis: (s, 4096) int8, orthogonal directions of subject, and `subject_scales` (s,) float32.
        subject_damping: (s,) float32, the share of each that a search by style takes away.
        encoder: (32,) uint8, SHA-256 of the weights of the image encoder.

    Example:
        >>> dials, rows = LiteDials.load(), np.eye(2, 4096, dtype=np.float32)
        >>> dials.turned(rows, subject=1, style=0).shape
        (2, 4096)
    """

    style_basis: NDArray[np.int8]
    style_scales: NDArray[np.float32]
    style_damping: NDArray[np.float32]
    subject_basis: NDArray[np.int8]
    subject_scales: NDArray[np.float32]
    subject_damping: NDArray[np.float32]
    encoder: NDArray[np.uint8]

    @classmethod
    def from_weights(cls, weights: Mapping[str, NDArray[Any]]) -> LiteDials:
        """Take the arrays, ``dials.NAME``, from a file of weights.

        Raises:
            WeightsError: one is missing, or they do not belong together.
        """
        found = take_arrays(cls, "dials", weights, "dials")
        styles, subjects = len(found.style_basis), len(found.subject_basis)
        shapes = {
            "style_basis": (styles, DIMENSION), "style_scales": (styles,), "style_damping": (styles,),
            "subject_basis": (subjects, DIMENSION), "subject_scales": (subjects,),
            "subject_damping": (subjects,), "encoder": (32,),
        }  # fmt: skip
        require_shapes(found, "dials", shapes)
        return found

    @classmethod
    @cache
    def load(cls, folder: Path | None = None) -> LiteDials:
        """Load what `scripts.lite.train_dials` wrote into a folder; None takes the one in the package.

        Raises:
            EncoderError: the file is missing or damaged.
        """
        try:
            return cls.from_weights(map_tensors((folder or model_folder()) / DIALS))
        except (OSError, WeightsError) as error:
            raise EncoderError(f"dials of 'lite' cannot be read: {error}; reinstall i2v-search") from error

    @property
    def encoder_sha256(self) -> str:
        """SHA-256 of the weights of the image encoder, lower-case hex."""
        return bytes(self.encoder).hex()

    def to_weights(self) -> dict[str, NDArray[Any]]:
        """The arrays as `from_weights` takes them."""
        return {f"dials.{entry.name}": getattr(self, entry.name) for entry in fields(self)}

    def turned(self, rows: NDArray[np.float32], *, subject: float, style: float) -> NDArray[np.float32]:
        """Rows whose products with others count subject and style as much as the dials say.

        Between the corners, rows as they are (both 1), by subject alone (style 0) and by style alone (subject
        0), the matrix is their mean, weighted bilinearly.

        Args:
            rows: (n, 4096) float32, compared standardised.
            subject: from 0 to 1.
            style: from 0 to 1, not 0 with `subject`.

        Returns:
            (n, 4096) float32, of any length.
        """
        by_subject, by_style = subject * (1 - style), style * (1 - subject)
        turned = np.float32(subject * style + by_subject + by_style) * rows
        if by_subject:
            turned -= _along(rows, self.style_basis, by_subject * self.style_damping * self.style_scales**2)
        if by_style:
            turned -= _along(
                rows, self.subject_basis, by_style * self.subject_damping * self.subject_scales**2
            )
        return np.asarray(turned, np.float32)


def has_dials(encoder: str, weights_sha256: str) -> bool:
    """Whether vectors of an encoder are those that the dials were learned for."""
    return encoder == "lite" and LiteDials.load().encoder_sha256 == weights_sha256


def _along(
    rows: NDArray[np.float32], basis: NDArray[np.int8], shares: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The part of rows along directions, each times its share."""
    directions = basis.astype(np.float32)
    return np.asarray(((rows @ directions.T) * shares.astype(np.float32)) @ directions)
