"""What `lite` takes out of the vectors of drawings, so that pictures in colour are found by them.

Drawings of lines are like one another before all else: their mean is subtracted. Then directions in which a
picture and its own lines differ most, whatever it shows, count the less the more they differ: the inverse of
the covariance of these differences, as in linear discriminant analysis. A score ``q' M x`` is that of the
query ``M q``, so nothing of it is stored with the pictures. `scripts.lite.sketches` makes the numbers;
docs/decisions/0020-drawings.md says what they bring.
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
from i2v_search.encoders.lite_head import DIMENSION, model_folder, unit_rows
from i2v_search.encoders.tensors import map_tensors
from i2v_search.errors import EncoderError, WeightsError

SKETCHES = "sketches.safetensors"


@dataclass(frozen=True)
class LiteSketches:
    """The mean of drawings, and the directions in which drawings and pictures differ.

    Attributes:
        mean: (4096,) float32, of the unit vectors of drawings.
        basis: (r, 4096) int8, orthogonal directions, and `basis_scales` (r,) float32, for length 1.
        damping: (r,) float32 in [0, 1], the share of a vector's component in each that is taken away.
        encoder: (32,) uint8, SHA-256 of the weights of the image encoder.

    Example:
        >>> sketches = LiteSketches.load()
        >>> sketches.directions(np.ones((2, 4096), np.float32)).shape
        (2, 4096)
    """

    mean: NDArray[np.float32]
    basis: NDArray[np.int8]
    basis_scales: NDArray[np.float32]
    damping: NDArray[np.float32]
    encoder: NDArray[np.uint8]

    @classmethod
    def from_weights(cls, weights: Mapping[str, NDArray[Any]]) -> LiteSketches:
        """Take the arrays, ``sketches.NAME``, from a file of weights.

        Raises:
            WeightsError: one is missing, or they do not belong together.
        """
        found = take_arrays(cls, "sketches", weights, "drawings")
        count = len(found.basis)
        shapes = {
            "mean": (DIMENSION,), "basis": (count, DIMENSION), "basis_scales": (count,), "damping": (count,),
            "encoder": (32,),
        }  # fmt: skip
        require_shapes(found, "sketches", shapes)
        return found

    @classmethod
    @cache
    def load(cls, folder: Path | None = None) -> LiteSketches:
        """Load what `scripts.lite.train_sketches` wrote into a folder; None takes the one in the package.

        Raises:
            EncoderError: the file is missing or damaged.
        """
        try:
            return cls.from_weights(map_tensors((folder or model_folder()) / SKETCHES))
        except (OSError, WeightsError) as error:
            raise EncoderError(f"drawings of 'lite' cannot be read: {error}; reinstall i2v-search") from error

    @property
    def encoder_sha256(self) -> str:
        """SHA-256 of the weights of the image encoder, lower-case hex."""
        return bytes(self.encoder).hex()

    def to_weights(self) -> dict[str, NDArray[Any]]:
        """The arrays as `from_weights` takes them."""
        return {f"sketches.{entry.name}": getattr(self, entry.name) for entry in fields(self)}

    def directions(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n, 4096) vectors of drawings -> (n, 4096) float32 directions from the mean of a collection."""
        drawn = unit_rows(unit_rows(vectors.astype(np.float32)) - self.mean)
        basis = self.basis.astype(np.float32)
        along = (drawn @ basis.T) * (self.damping * self.basis_scales**2)
        return np.asarray(drawn - along @ basis, np.float32)
