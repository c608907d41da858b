"""Any other ONNX model as an encoder, a tagger or both: today's taggers, CLIP, SigLIP and DINO image
towers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

from i2v_search.choices import Device
from i2v_search.encoders.base import EncoderInfo, Encoding
from i2v_search.encoders.model_card import OnnxDescription, Pooling
from i2v_search.encoders.networks.runtime import onnx_session, run_session
from i2v_search.encoders.resizing import fit_square, shrink_to
from i2v_search.errors import EncoderError
from i2v_search.tags.vocabulary import Vocabulary

_TYPES: Final[dict[str, Any]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
"""What an input may be made of; pixels are prepared as float32 and cast."""


class OnnxModel:
    """A foreign ONNX model; satisfies `Encoder` where it has a feature output, `Tagger` where it has tags.

    Args:
        info: what a collection records of it.
        model: its file, or the file's content.
        description: its input and outputs.
        vocabulary: vocabulary of the tag output, None without one.
        device: CPU threads and batch size; it runs on the CPU.

    Raises:
        EncoderError: ONNX Runtime does not run it, it takes no images as described, or lacks an output.

    Attributes:
        outputs: names of all that it has.
    """

    def __init__(
        self,
        info: EncoderInfo,
        model: Path | bytes,
        description: OnnxDescription,
        vocabulary: Vocabulary | None = None,
        device: Device = Device(),
    ) -> None:
        self.info = info
        self.batch_size = device.batch_size or 8
        self.description = description
        self.shrink_to: int | None = shrink_to(description)
        self.vocabulary = vocabulary
        self._session: Any = onnx_session(model, threads=device.threads)
        self.outputs = [output.name for output in self._session.get_outputs()]
        for name in description.outputs:
            if name not in self.outputs:
                raise EncoderError(f"the model has no output {name!r}; available: {', '.join(self.outputs)}")
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise EncoderError(f"the model has {len(inputs)} inputs, but only the image is available")
        self._input = inputs[0].name
        self._type = _input_type(inputs[0].type, description)
        _check_shape(inputs[0].name, inputs[0].shape, description)
        batch = next(iter(inputs[0].shape), None)
        self._fixed_batch = batch if isinstance(batch, int) else None

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Bring an RGB image to (size, size, 3) uint8 as the description says."""
        return np.asarray(fit_square(image, self.description))

    def encode(self, inputs: Sequence[NDArray[np.uint8]]) -> Encoding:
        """Encode n prepared images: (n, d) float32, with the tags where the model gives both.

        Raises:
            EncoderError: the model has no feature output.
        """
        if self.description.output is None:
            raise EncoderError(
                f"model {self.info.id!r} gives only tags; use it with --tagger, or import it with --output"
            )
        vectors, *tags = self._run(inputs, self.description.outputs)
        return Encoding(vectors, self._probabilities(tags[0]) if tags else None)

    def tag(self, inputs: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Probabilities of every tag, (n, len(vocabulary)) float32.

        Raises:
            EncoderError: the model has no tag output.
        """
        if self.description.tag_output is None:
            raise EncoderError(
                f"model {self.info.id!r} gives no tags; import it with --tag-output and --tags"
            )
        return self._probabilities(self._run(inputs, [self.description.tag_output])[0])

    def widths(self, inputs: Sequence[NDArray[np.uint8]]) -> list[int]:
        """Numbers per image of each output of the description; runs it on prepared images.

        Raises:
            EncoderError: it fails, or an output does not have a row of numbers for each image.
        """
        return [output.shape[1] for output in self._run(inputs, self.description.outputs)]

    def _run(self, inputs: Sequence[NDArray[np.uint8]], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        described = self.description
        pixels: NDArray[Any] = np.stack(inputs).astype(np.float32) / np.float32(described.scale)
        if described.channels == "BGR":
            pixels = pixels[..., ::-1]
        pixels = (pixels - np.array(described.mean, np.float32)) / np.array(described.std, np.float32)
        if described.layout == "NCHW":
            pixels = pixels.transpose(0, 3, 1, 2)
        size = self._fixed_batch or len(pixels)
        pixels = pixels.astype(self._type, copy=False)
        batches = (self._padded(pixels[start : start + size], size) for start in range(0, len(pixels), size))
        parts = [self._run_batch(outputs, batch) for batch in batches]
        return [np.concatenate(columns)[: len(pixels)] for columns in zip(*parts, strict=True)]

    def _run_batch(self, outputs: Sequence[str], batch: NDArray[Any]) -> list[NDArray[np.float32]]:
        found = run_session(self._session, outputs, {self._input: batch})
        rows = []
        for name, values in zip(outputs, found, strict=True):
            pooling = self.description.pooling if name == self.description.output else "none"
            rows.append(as_rows(name, values, len(batch), pooling))
        return rows

    def _padded(self, pixels: NDArray[Any], size: int) -> NDArray[Any]:
        """A model with a fixed batch gets whole batches: the last image repeated."""
        whole = np.concatenate([pixels, np.repeat(pixels[-1:], size - len(pixels), axis=0)])
        return np.ascontiguousarray(whole)

    def _probabilities(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        match self.description.activation:
            case "none":
                return values
            case "sigmoid":
                return np.asarray(scipy.special.expit(values), np.float32)
            case "softmax":
                return np.asarray(scipy.special.softmax(values, axis=1), np.float32)


def as_rows(
    name: str, values: Any, count: int, pooling: Pooling = "none", mask: NDArray[Any] | None = None
) -> NDArray[np.float32]:
    """An output as a row of numbers for each image or text.

    Args:
        name: of the output, for messages.
        values: what the model gave.
        count: of the images or texts.
        pooling: how the tokens of an output (count, tokens, d) become one row.
        mask: (count, tokens), 0 for tokens that are not part of the mean; None counts all.

    Returns:
        (count, d) float32.

    Raises:
        EncoderError: it has no row for each, or holds no numbers.
    """
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
        raise EncoderError(f"its output {name!r} does not hold numbers; choose another")
    if values.shape[:1] != (count,):
        if count != 1:
            raise EncoderError(
                f"its output {name!r} has shape {values.shape} for {count} images, not one row per image; "
                "choose another, or export the model with a dynamic batch"
            )
        values = values[None]  # squeezed
    if pooling != "none":
        if values.ndim != 3:
            raise EncoderError(
                f"its output {name!r} has shape {values.shape}, nothing to pool: omit --pooling, or choose "
                "an output of shape (n, tokens, d)"
            )
        weights = np.ones(values.shape[:2]) if mask is None else mask
        values = values[:, 0] if pooling == "cls" else _mean_of_tokens(values, weights)
    return np.asarray(values.reshape(count, -1), np.float32)


def _mean_of_tokens(values: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float32]:
    weights = weights[..., None].astype(np.float32)
    return np.asarray((values.astype(np.float32) * weights).sum(axis=1) / weights.sum(axis=1))


def _input_type(declared: str, described: OnnxDescription) -> Any:
    """The dtype of the input."""
    if declared not in _TYPES:
        raise EncoderError(
            f"its input is a {declared}; expected one of {', '.join(_TYPES)}: export it with float32"
        )
    dtype = np.dtype(_TYPES[declared])
    if dtype.kind in "iu" and (described.scale, *described.mean, *described.std) != (1, 0, 0, 0, 1, 1, 1):
        raise EncoderError(f"its input is a {declared}, for raw pixels 0..255; omit --scale, --mean, --std")
    return dtype


def _check_shape(name: str, shape: Sequence[int | str | None], described: OnnxDescription) -> None:
    """Compare the declared shape of the input with the description; free axes fit anything."""
    if not shape:  # nothing is declared
        return
    shown = f"its input {name!r} is {_shown(shape)}"
    if len(shape) != 4:
        raise EncoderError(f"{shown}, not a batch of images; expected 4 axes")
    if isinstance(shape[0], int) and shape[0] < 1:
        raise EncoderError(f"{shown}, a batch of {shape[0]} images; export it with a dynamic batch")
    expected = _expected(described.layout, described.size)
    pairs = zip(shape[1:], expected[1:], strict=True)
    if all(have == want for have, want in pairs if isinstance(have, int)):
        return
    remedies = []
    for layout in (described.layout, "NHWC" if described.layout == "NCHW" else "NCHW"):
        *_, first, second = shape[1:3] if layout == "NHWC" else shape[2:4]
        sides = {side for side in (first, second) if isinstance(side, int)} or {described.size}
        channels = shape[3 if layout == "NHWC" else 1]
        if len(sides) == 1 and (channels == 3 or not isinstance(channels, int)):
            remedies.append(f"--layout {layout} --input-size {sides.pop()}")
    remedy = f"give {remedies[0]}" if remedies else "only square images of 3 channels are supported"
    raise EncoderError(f"{shown}, the description says {_shown(expected)}: {remedy}")


def _expected(layout: str, side: int) -> tuple[int | str, ...]:
    return ("n", 3, side, side) if layout == "NCHW" else ("n", side, side, 3)


def _shown(shape: Sequence[int | str | None]) -> str:
    return f"({', '.join(str(axis or ('?' if axis is None else axis)) for axis in shape)})"
