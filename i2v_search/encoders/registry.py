"""Finds encoders and taggers by name: built in, registered, plugged in, or imported by the user."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias

from i2v_search.arguments import renamed
from i2v_search.choices import Device, DeviceName
from i2v_search.encoders.base import Encoder, Tagger
from i2v_search.encoders.model_folder import find_model, installed_models
from i2v_search.errors import EncoderError

ENTRY_POINT_GROUP = "i2v_search.encoders"
TAGGER_GROUP = "i2v_search.taggers"

#: Makes an encoder for a device.
Factory: TypeAlias = Callable[[Device], Encoder]

_FACTORIES: dict[str, Factory] = {}


def register_encoder(name: str, factory: Factory) -> None:
    """Register an encoder for `load_encoder` in this process.

    A package registers an encoder permanently with an entry point of the group ``i2v_search.encoders`` that
    refers to such a factory.

    Args:
        name: value of ``--encoder``.
        factory: creates the encoder for a `Device`; it can ignore unsupported settings.

    Raises:
        EncoderError: the name is taken.

    Example:
        >>> from i2v_search import Device
        >>> def same_as_lite(device: Device) -> Encoder:
        ...     return load_encoder("lite", device)
        >>> register_encoder("mine", same_as_lite)
        >>> load_encoder("mine", Device("cpu")).info.dimension
        4096
    """
    if name in encoder_names():
        raise EncoderError(f"encoder {name!r} is already registered; choose another name")
    _FACTORIES[name] = factory


def encoder_names() -> list[str]:
    """Names that `load_encoder` knows, sorted."""
    plugged = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    imported = {card.name for card in installed_models() if card.dimension}
    return sorted(plugged | imported | set(_FACTORIES) | {"lite", "lite0"})


def plugged_encoders() -> dict[str, str]:
    """Encoders of other packages and of this process, sorted by name, and where each comes from."""
    plugged = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    registered = dict.fromkeys(_FACTORIES, "registered in this process")
    return dict(sorted((plugged | registered).items()))


def tagger_names() -> list[str]:
    """Names that `load_tagger` knows, sorted."""
    plugged = {point.name for point in entry_points(group=TAGGER_GROUP)}
    return sorted({card.name for card in installed_models() if card.tags} | plugged | {"lite"})


@renamed(engine="device")
def load_encoder(name: str = "lite", device: Device | DeviceName = Device()) -> Encoder:
    """Load an encoder by name.

    Args:
        name: one of `encoder_names()`, or the folder of a trained model.
        device: device and settings of the encoder.

    Returns:
        A ready encoder.

    Raises:
        EncoderError: there is no such encoder, or its weights cannot be loaded.

    Example:
        >>> from PIL import Image
        >>> from i2v_search.encoders.base import encode_images
        >>> encoder = load_encoder("lite")
        >>> encode_images(encoder, [Image.new("RGB", (320, 200), "teal")]).vectors.shape
        (1, 4096)
    """
    return _find_factory(name)(Device.of(device))


@renamed(engine="device")
def load_tagger(name: str | None = None, device: Device | DeviceName = Device()) -> Tagger:
    """Load a tagger by name.

    Args:
        name: one of `tagger_names()`, or the folder of a trained model; None selects the only one besides
            ``lite``, or ``lite`` if there is none. A package adds taggers with entry points of the group
            ``i2v_search.taggers``.
        device: device and settings of the tagger.

    Raises:
        EncoderError: there is no such tagger, or more than one to choose from.

    Example:
        >>> tagger = load_tagger("lite")
        >>> tagger.info.id, len(tagger.vocabulary)
        ('lite', 408)
    """
    known = tagger_names()
    if name is None and len(known) <= 2:
        name = next((other for other in known if other != "lite"), "lite")
    if name == "lite":
        from i2v_search.encoders.lite import LiteEncoder

        return LiteEncoder(Device.of(device))
    for point in entry_points(group=TAGGER_GROUP, name=name or ""):
        plugged: Tagger = _loaded(point, "tagger")(Device.of(device))
        return plugged
    card = find_model(name) if name else None
    if name is None or card is None or not card.tags:
        asked = "choose a tagger" if name is None else f"no tagger {name!r}"
        remedy = _how_to_get(name) or "import one with: i2v-search models import FILE --tags LIST"
        raise EncoderError(f"{asked}; available: {', '.join(known)}; {remedy}")
    from i2v_search.encoders.opening import open_tagger

    return open_tagger(name, Device.of(device))


def _find_factory(name: str) -> Factory:
    if name == "lite":
        from i2v_search.encoders.lite import LiteEncoder

        return LiteEncoder
    if name == "lite0":
        from i2v_search.encoders.lite0 import Lite0Encoder

        return Lite0Encoder
    if name in _FACTORIES:
        return _FACTORIES[name]
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        factory: Factory = _loaded(point, "encoder")
        return factory
    card = find_model(name)
    if card is None:
        remedy = _how_to_get(name) or "import a model file with: i2v-search models import FILE"
        raise EncoderError(f"no encoder {name!r}; available: {', '.join(encoder_names())}; {remedy}")
    if card.dimension is None:
        raise EncoderError(
            f"{name!r} is a tag model without feature vectors; use it with --tagger {name}, and "
            "import the feature model (illust2vec_ver200.caffemodel) for --encoder"
        )
    from i2v_search.encoders.opening import open_encoder

    return lambda device: open_encoder(name, device)


def _loaded(point: EntryPoint, kind: str) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise EncoderError(f"{kind} {point.name!r} cannot be loaded from {point.value}: {error}") from error


def _how_to_get(name: str | None) -> str | None:
    """Advice about a model of the catalogue that is not imported; None about others."""
    from i2v_search.encoders.known_models import shipped_catalogue

    known = shipped_catalogue().get(name or "")
    return None if known is None else f"download it with: i2v-search models get {known.name}"
