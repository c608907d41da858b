"""Unit rows as the feature store keeps them, in float16, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SIGN_EXPONENT_MANTISSA = np.uint32(0x8FFFE000).view(np.int32)


def widen(values: NDArray[np.float16]) -> NDArray[np.float32]:
    """Convert finite float16 to float32 by moving their bits, several times as fast as NumPy converts.

    The exponent moves to its new place and is then off by 112, which one multiplication mends; numbers below
    the normal range come out exact too. Infinities and NaN, which no unit row holds, become large numbers.

    >>> widen(np.array([0.5, -2.0], np.float16))
    array([ 0.5, -2. ], dtype=float32)
    """
    bits = values.view(np.int16).astype(np.int32)  # the sign fills the upper half
    bits <<= 13
    bits &= _SIGN_EXPONENT_MANTISSA
    wide = bits.view(np.float32)
    wide *= np.float32(2.0**112)
    return wide


def unit_float16(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """Normalise vectors for storage: the one place where the feature store's rows get unit length.

    Args:
        vectors: (n, d) float32.

    Returns:
        (n, d) float16 unit rows and (n,) float32 norms. A zero vector stays zero.

    Example:
        >>> rows, norms = unit_float16(np.array([[3.0, 4.0]], np.float32))
        >>> rows.tolist(), norms.tolist()
        ([[0.60009765625, 0.7998046875]], [5.0])
    """
    # In float64 no square overflows or vanishes.
    exact = vectors.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1)
    return (exact / np.where(norms > 0, norms, 1)[:, None]).astype(np.float16), norms.astype(np.float32)
