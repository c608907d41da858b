"""Any other ONNX model as an encoder, a tagger or both: today's taggers, CLIP, SigLIP and DINO image
towers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from i2v_search.choices import Engine
from i2v_search.encoders.base import EncoderInfo, Encoding
from i2v_search.encoders.models import OnnxDescription
from i2v_search.encoders.runtime import onnx_session
from i2v_search.errors import EncoderError
from i2v_search.tags import Vocabulary


class OnnxModel:
    """A foreign ONNX model; satisfies `Encoder` where it has a feature output, `Tagger` where it has tags.

    Args:
        info: what a collection records of it.
        path: the model.
        description: its input and outputs.
        vocabulary: of the tag output, None without one.
        engine: CPU threads and batch size; it runs on the CPU.

    Raises:
        EncoderError: the file is not a model that ONNX Runtime runs, or lacks an input or output.
    """

    def __init__(
        self,
        info: EncoderInfo,
        path: Path,
        description: OnnxDescription,
        vocabulary: Vocabulary | None = None,
        engine: Engine = Engine(),
    ) -> None:
        self.info = info
        self.batch_size = engine.batch_size or 8
        self.description = description
        self.shrink_to: int | None = description.size
        self.vocabulary = vocabulary
        self._session: Any = onnx_session(path, threads=engine.threads)
        self._input = self._session.get_inputs()[0].name
        outputs = [output.name for output in self._session.get_outputs()]
        for name in (description.output, description.tag_output):
            if name is not None and name not in outputs:
                raise EncoderError(f"{path.name} has no output {name!r}; it has {', '.join(outputs)}")
        self._fixed_batch = self._session.get_inputs()[0].shape[0]

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Bring an RGB image to (size, size, 3) uint8 as the description says."""
        size = (self.description.size, self.description.size)
        resample = Image.Resampling.BICUBIC
        match self.description.resize:
            case "stretch":
                fitted = image.resize(size, resample)
            case "pad":
                fitted = ImageOps.pad(image, size, resample, color=(255, 255, 255))
            case "crop":
                fitted = ImageOps.fit(image, size, resample)
        return np.asarray(fitted)

    def encode(self, inputs: Sequence[NDArray[np.uint8]]) -> Encoding:
        """Encode n prepared images: (n, d) float32, with the tags where the model gives both.

        Raises:
            EncoderError: the model has no feature output.
        """
        if self.description.output is None:
            raise EncoderError(
                f"model {self.info.id!r} only gives tags: use it with --tagger, or import it with --output"
            )
        names = [self.description.output]
        if self.description.tag_output is not None:
            names.append(self.description.tag_output)
        vectors, *tags = self._run(inputs, names)
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

    def _run(self, inputs: Sequence[NDArray[np.uint8]], outputs: list[str]) -> list[NDArray[np.float32]]:
        described = self.description
        pixels: NDArray[Any] = np.stack(inputs).astype(np.float32) / np.float32(described.scale)
        if described.channels == "BGR":
            pixels = pixels[..., ::-1]
        pixels = (pixels - np.array(described.mean, np.float32)) / np.array(described.std, np.float32)
        if described.layout == "NCHW":
            pixels = pixels.transpose(0, 3, 1, 2)
        size = self._fixed_batch if isinstance(self._fixed_batch, int) else len(pixels)
        pixels = pixels.astype(np.float32, copy=False)
        batches = (self._padded(pixels[start : start + size], size) for start in range(0, len(pixels), size))
        parts = [self._session.run(outputs, {self._input: batch}) for batch in batches]
        joined = (np.concatenate(columns)[: len(pixels)] for columns in zip(*parts, strict=True))
        return [np.asarray(column.reshape(len(pixels), -1), np.float32) for column in joined]

    def _padded(self, pixels: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """A model with a fixed batch gets whole batches: the last image repeated."""
        whole = np.concatenate([pixels, np.repeat(pixels[-1:], size - len(pixels), axis=0)])
        return np.ascontiguousarray(whole, np.float32)

    def _probabilities(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self.description.logits:
            return values
        return np.asarray(1 / (1 + np.exp(-values)), np.float32)


def preprocessing_of(description: OnnxDescription) -> str:
    """Name the way an image becomes the input, for `EncoderInfo.preprocessing`."""
    numbers = ",".join(f"{value:g}" for value in (description.scale, *description.mean, *description.std))
    return (
        f"{description.channels.lower()}-{description.size}-{description.resize}-bicubic-"
        f"{description.layout.lower()}-{numbers}"
    )
