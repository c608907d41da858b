"""What an encoder is, and the registry that finds one by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.choices import Device
from i2v_search.errors import EncoderError
from i2v_search.tags import Vocabulary

ENTRY_POINT_GROUP = "i2v_search.encoders"


@dataclass(frozen=True)
class EncoderInfo:
    """What makes two vectors comparable: a collection records it and refuses any other.

    Attributes:
        id: the name in the registry.
        weights_sha256: SHA-256 of the weights file, lower-case hex.
        preprocessing: names the exact way an image becomes the network's input.
        dimension: length of a vector.
    """

    id: str
    weights_sha256: str
    preprocessing: str
    dimension: int

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True)
class Encoding:
    """What an encoder says of a batch.

    Attributes:
        vectors: (n, dimension) float32, of any length: the feature store normalises.
        tags: (n, len(vocabulary)) float32 probabilities, or None without a tag head.
    """

    vectors: NDArray[np.float32]
    tags: NDArray[np.float32] | None = None


@runtime_checkable
class Encoder(Protocol):
    """Turns images into vectors, and into tags where it has a tag head.

    The work is split so that extraction can overlap it: `prepare` runs in decode threads, `encode` on whole
    batches. A vector must not depend on the other images of its batch.
    """

    info: EncoderInfo
    #: The decoder may shrink an image as long as its shorter side keeps this many pixels; None forbids it.
    shrink_to: int | None
    #: The batch that runs best.
    batch_size: int
    #: The tags of the head, in the order of `Encoding.tags`; None without one.
    vocabulary: Vocabulary | None

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        """Turn an RGB image into one input of `encode`, a fixed shape; thread-safe."""
        ...

    def encode(self, batch: NDArray[Any]) -> Encoding:
        """Encode prepared images stacked along axis 0."""
        ...


Factory: TypeAlias = Callable[..., Encoder]

_FACTORIES: dict[str, Factory] = {}


def register_encoder(name: str, factory: Factory) -> None:
    """Make an encoder known to `load_encoder` for this process.

    A package registers its own for good with an entry point of the group ``i2v_search.encoders``, whose
    object is such a factory.

    Args:
        name: what users write after ``--encoder``.
        factory: called as ``factory(device=..., threads=...)``.

    Raises:
        EncoderError: the name is taken.
    """
    if name in encoder_names():
        raise EncoderError(f"encoder {name!r} is registered already; choose another name")
    _FACTORIES[name] = factory


def encoder_names() -> list[str]:
    """Names that `load_encoder` knows, sorted."""
    plugged = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    return sorted(plugged | set(_FACTORIES) | {"lite"})


def load_encoder(name: str = "lite", *, device: Device = "auto", threads: int | None = None) -> Encoder:
    """Load an encoder by name.

    Args:
        name: one of `encoder_names()`.
        device: where the forward pass runs; ``"auto"`` takes a GPU where torch sees one, else the CPU.
        threads: CPU threads of the forward pass; None takes every core.

    Returns:
        A ready encoder.

    Raises:
        EncoderError: there is no such encoder, or its weights cannot be loaded.

    Example:
        >>> from PIL import Image
        >>> encoder = load_encoder("lite")
        >>> encode_images(encoder, [Image.new("RGB", (320, 200), "teal")]).vectors.shape
        (1, 1280)
    """
    factory = _find_factory(name)
    if factory is None:
        raise EncoderError(f"no encoder is called {name!r}; known: {', '.join(encoder_names())}")
    return factory(device=device, threads=threads)


def _find_factory(name: str) -> Factory | None:
    if name == "lite":
        from i2v_search.encoders.lite import LiteEncoder

        return LiteEncoder
    if name in _FACTORIES:
        return _FACTORIES[name]
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        try:
            factory: Factory = point.load()
        except (ImportError, AttributeError) as error:
            raise EncoderError(f"encoder {name!r} cannot be loaded from {point.value}: {error}") from error
        return factory
    return None


def encode_images(encoder: Encoder, images: Iterable[Image.Image]) -> Encoding:
    """Prepare and encode a handful of RGB images in one batch.

    Args:
        encoder: any encoder.
        images: RGB images; at least one.

    Returns:
        Their encoding, one row per image in order.
    """
    return encoder.encode(np.stack([encoder.prepare(image) for image in images]))
