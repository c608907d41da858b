"""The head of `lite`: from statistics of feature maps to the vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.networks.efficientnet import Statistic
from i2v_search.encoders.networks.layers import Weights
from i2v_search.errors import WeightsError

DIMENSION = 4096
#: The statistics the vector is made of, each with its weight beside the others; the first seven, with 2,048
#: channels in all, are its geometry.
STATISTICS: tuple[tuple[Statistic, float], ...] = (
    (("mean", "head_relu", 1280), 1.0),
    (("deviation", "block14_add", 192), 0.5),
    (("mean", "block11_project", 192), 0.5),
    (("deviation", "block10_add", 112), 0.4),
    (("deviation", "block8_project", 112), 0.3),
    (("deviation", "block5_project", 80), 0.3),
    (("mean", "block6_add", 80), 0.3),
    (("mean", "block15_depthwise_relu", 1152), 0.7),
    (("mean", "block14_add", 192), 0.4),
    (("deviation", "block10_depthwise_relu", 672), 0.5),
    (("deviation", "block4_add", 40), 0.2),
)
#: Channels of the first seven.
GEOMETRY = 2048


@dataclass(frozen=True)
class LiteHead:
    """Weights that turn statistics into vectors; s is the number of statistics, 4,104.

    `HeadRuntime` computes the same, faster beside other work.

    Attributes:
        mean: (s,) float32, of the normalised statistics of the training pictures.
        basis: (r, s) float32, directions along which they are whitened.
        code_weight, code_bias: (2048, r) and (2048,) float32.
        code_mean: (2048,) float32, of the training pictures' codes.
        geometry_scale, code_scale: (1,) float32, what both halves of a vector are multiplied by.
    """

    mean: NDArray[np.float32]
    basis: NDArray[np.float32]
    code_weight: NDArray[np.float32]
    code_bias: NDArray[np.float32]
    code_mean: NDArray[np.float32]
    geometry_scale: NDArray[np.float32]
    code_scale: NDArray[np.float32]

    @classmethod
    def from_weights(cls, weights: Mapping[str, NDArray[Any]]) -> LiteHead:
        """Take the head's arrays, ``lite.NAME``, from a model's weights, in float32.

        Raises:
            WeightsError: one is missing.
        """
        names = [entry.name for entry in fields(cls)]
        missing = [name for name in names if f"lite.{name}" not in weights]
        if missing:
            raise WeightsError(f"the weights have no 'lite.{missing[0]}'; they are not weights of lite")
        return cls(**{name: np.asarray(weights[f"lite.{name}"], np.float32) for name in names})

    def to_weights(self) -> dict[str, NDArray[np.float32]]:
        """The arrays as `from_weights` takes them."""
        return {f"lite.{entry.name}": getattr(self, entry.name) for entry in fields(self)}

    def whitened(self, statistics: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, s) normalised statistics -> (n, r) float32, what the code is computed from."""
        return np.asarray((statistics - self.mean) @ self.basis.T)

    def vectors(self, statistics: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, s) normalised statistics -> (n, 4096) float32 vectors."""
        code = sigmoid(self.whitened(statistics) @ self.code_weight.T + self.code_bias)
        geometry = statistics[:, :GEOMETRY] - self.mean[:GEOMETRY]
        return np.hstack([geometry * self.geometry_scale, (code - self.code_mean) * self.code_scale])


def model_folder() -> Path:
    """Folder of the weights, tags and words of `lite` in the package."""
    return Path(str(files("i2v_search"))) / "data" / "lite"


def in_float32(weights: Weights) -> Weights:
    """Weights that are stored as float16, as networks compute."""
    return {name: values.astype(np.float32) for name, values in weights.items()}


def sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + exp(-value)) of any finite value, without overflow."""
    return np.asarray(np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * values)), np.float32)


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n, d) -> (n, d) float32 of length 1; rows of zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.float32(1e-12)), np.float32)
