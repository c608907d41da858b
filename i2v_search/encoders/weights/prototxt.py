"""Caffe's network configuration, ``.prototxt``: read, and compared with the weights it should go with.

Format: protobuf's text format over the messages of ``caffe.proto``, with ``layer { type: "Convolution" }`` or
the legacy ``layers { type: CONVOLUTION }``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, overload

from i2v_search.encoders.i2v_input import SIZE
from i2v_search.encoders.networks.illustration2vec import TRUNK
from i2v_search.encoders.networks.layers import Weights
from i2v_search.encoders.weights.checkpoints import LAYERS, MAP_SIDE
from i2v_search.encoders.weights.text_format import Message, parse_text
from i2v_search.errors import WeightsError
from i2v_search.files import open_regular

Pool: TypeAlias = Literal["max", "average", "stochastic"]

MAX_BYTES = 2**20
_LEGACY_TYPES = {"RELU": "ReLU", "LRN": "LRN", "HDF5_DATA": "HDF5Data", "TANH": "TanH", "BNLL": "BNLL"}
_POOLS: dict[str, Pool] = {"MAX": "max", "AVE": "average", "STOCHASTIC": "stochastic"}
#: Layers that hold no weights and change no value in use.
_TRANSPARENT = frozenset({"Dropout", "Flatten", "Reshape", "Split"})
_SOURCES = frozenset(
    {"Data", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "WindowData", "Python"}
)
_ENDS = frozenset({"Accuracy", "Silence", "Softmax"})


@dataclass(frozen=True)
class LayerSettings:
    """One layer of a configuration; what it does not say has Caffe's default.

    Attributes:
        name: the layer's name, which weights are filed under.
        type: Caffe's current name for its type, ``"Convolution"`` also for the legacy CONVOLUTION.
        bottoms: names of what goes in.
        tops: names of what comes out.
        num_output: output channels of a convolution or fully connected layer.
        kernel: side of the window of a convolution or pooling, in pixels; 0 where it covers the whole map.
        stride: step of the window, in pixels.
        pad: padding on every side, in pixels.
        pool: how a pooling layer pools.
        group: groups of a convolution.
        dilation: step between the pixels of a window.
        bias: whether the layer has a bias.
        training: whether the layer is for training only.
    """

    name: str
    type: str
    bottoms: tuple[str, ...] = ()
    tops: tuple[str, ...] = ()
    num_output: int | None = None
    kernel: int | None = None
    stride: int = 1
    pad: int = 0
    pool: Pool | None = None
    group: int = 1
    dilation: int = 1
    bias: bool = True
    training: bool = False


@dataclass(frozen=True)
class Configuration:
    """A network configuration; `input_shape` is (n, channels, height, width), empty if it is not given."""

    name: str
    input_shape: tuple[int, ...]
    layers: tuple[LayerSettings, ...]


def read_prototxt(path: Path) -> Configuration:
    """Read a network configuration.

    Args:
        path: a ``.prototxt`` in either syntax.

    Returns:
        Its layers in order.

    Raises:
        WeightsError: it is not valid; the message names the line.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "net.prototxt"
        >>> _ = file.write_text('layers { name: "r" type: RELU bottom: "x" top: "x" } # legacy')
        >>> read_prototxt(file).layers[0].type
        'ReLU'
    """
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from error
    if len(content) > MAX_BYTES:
        raise WeightsError(f"{path} is over {MAX_BYTES} bytes; expected a network configuration (text)")
    try:
        network = parse_text(content.decode(), path)
    except UnicodeDecodeError as error:
        raise WeightsError(f"{path} is not text; expected a network configuration") from error
    layers = [_layer(message, path) for key in ("layer", "layers") for message in network.messages(key)]
    if not layers:
        raise WeightsError(f"{path} describes no layers; expected a network configuration")
    return Configuration("".join(network.texts("name")[:1]), _input_shape(network, path), tuple(layers))


def check_prototxt(path: Path, weights: Weights) -> Configuration:
    """Check that a configuration describes the network that weights are for.

    Layers for training only, data layers and losses are skipped.

    Args:
        path: a ``.prototxt``.
        weights: arrays by canonical name, of a sound architecture.

    Returns:
        The configuration.

    Raises:
        WeightsError: it is not valid, or differs; the message names the first layer that does, and how.
    """
    configuration = read_prototxt(path)
    shape = configuration.input_shape
    if shape and shape[1:] != (3, SIZE, SIZE):
        raise WeightsError(f"{path} has an input of {shape}; expected (n, 3, {SIZE}, {SIZE})")
    waiting = _expected_steps(weights)
    found: set[str] = set()
    writers: dict[str, str] = {}
    for layer in configuration.layers:
        if layer.training or layer.type in _SOURCES | _ENDS or layer.type.endswith("Loss"):
            continue
        source = writers.get(layer.bottoms[0], _IMAGE) if layer.bottoms else _IMAGE
        if layer.type not in _TRANSPARENT:
            source = _match(layer, source, waiting, path)
            found.add(source)
        writers.update(dict.fromkeys(layer.tops, source))
    missing = [step.name for step in waiting if step.trunk] or (
        [] if found & set(_HEADS) else [name for name in _HEADS if f"{name}.weight" in weights]
    )
    if missing:
        raise WeightsError(f"{path} lacks {missing[0]!r}, which the weights contain")
    return configuration


_Settings: TypeAlias = dict[str, tuple[int | str | bool, ...]]
_IMAGE = "the image"
_HEADS = ("conv6_4", "encode1")


@dataclass(frozen=True)
class _Step:
    """A layer that the weights ask for: after which other, of what type, with which values allowed."""

    name: str
    source: str
    type: str
    settings: _Settings
    trunk: bool = True


def _expected_steps(weights: Weights) -> list[_Step]:
    steps: list[_Step] = []
    value = _IMAGE
    for number, group in enumerate(TRUNK, start=1):
        for name in group:
            steps += [_convolution(name, value, weights), _Step(f"{name} ReLU", name, "ReLU", {})]
            value = f"{name} ReLU"
        if number < len(TRUNK):
            halving: _Settings = {"pool": ("max",), "kernel": (2,), "stride": (2,), "pad": (0,)}
            steps.append(_Step(f"pool{number}", value, "Pooling", halving))
            value = f"pool{number}"
    if "conv6_4.weight" in weights:
        average: _Settings = {"pool": ("average",), "kernel": (MAP_SIDE, 0), "pad": (0,)}
        steps.append(replace(_convolution("conv6_4", value, weights), trunk=False))
        steps.append(_Step("pool6", "conv6_4", "Pooling", average, trunk=False))
        steps.append(_Step("prob", "pool6", "Sigmoid", {}, trunk=False))
    for name in ("encode1", "encode2"):
        if f"{name}.weight" in weights:
            outputs: _Settings = {"num_output": (len(weights[f"{name}.weight"]),), "bias": (True,)}
            steps.append(_Step(name, value, "InnerProduct", outputs, trunk=False))
            steps.append(_Step(f"{name} Sigmoid", name, "Sigmoid", {}, trunk=False))
            value = f"{name} Sigmoid"
    return steps


def _convolution(name: str, source: str, weights: Weights) -> _Step:
    weight = weights[f"{name}.weight"]
    settings: _Settings = {
        "num_output": (len(weight),),
        "kernel": (weight.shape[2],),
        "stride": (1,),
        "pad": (1,),
        "group": (1,),
        "dilation": (1,),
        "bias": (True,),
    }
    return _Step(name, source, "Convolution", settings)


def _match(layer: LayerSettings, source: str, waiting: list[_Step], path: Path) -> str:
    """Find and compare the step that a layer is; takes it from `waiting` and returns its name."""
    after = [step for step in waiting if step.source == source]
    if not after:
        places = [f"it after {step.source}" for step in waiting if step.name == layer.name]
        raise WeightsError(
            f"{path}: layer {layer.name!r} ({layer.type}) comes after {source}; "
            f"the weights have {places[0] if places else 'none there'}"
        )
    step = next((step for step in after if step.name == layer.name), after[0])
    if layer.type != step.type:
        raise WeightsError(
            f"{path}: layer {layer.name!r} after {source} is {layer.type}; the weights need {step.name}"
            f" ({step.type})"
        )
    if step.name in LAYERS and layer.name != step.name:
        raise WeightsError(
            f"{path}: layer {layer.name!r} after {source}; the weights have {step.name!r} there"
        )
    for key, allowed in step.settings.items():
        given = getattr(layer, key)
        if given not in allowed:
            raise WeightsError(
                f"{path}: layer {layer.name!r} has {key} {given}; the weights need {allowed[0]}"
            )
    waiting.remove(step)
    return step.name


def _layer(message: Message, path: Path) -> LayerSettings:
    kind = "".join(message.texts("type")[:1])
    if kind.isupper():
        kind = _LEGACY_TYPES.get(kind, kind.title().replace("_", ""))
    parameters = [
        inner
        for key in ("convolution_param", "inner_product_param", "pooling_param")
        for inner in message.messages(key)
    ] or [Message(())]
    own = parameters[0]
    name = "".join(message.texts("name")[:1])
    place = f"{path}: layer {name!r}"
    covers_all = own.texts("global_pooling") == ["true"]
    pools = own.texts("pool") or ["MAX"]
    if kind == "Pooling" and pools[0] not in _POOLS:
        raise WeightsError(f"{place} pools by {pools[0]!r}; one of {', '.join(_POOLS)}")
    phases = {phase for rule in message.messages("include") for phase in rule.texts("phase")}
    excluded = {phase for rule in message.messages("exclude") for phase in rule.texts("phase")}
    return LayerSettings(
        name=name,
        type=kind,
        bottoms=tuple(message.texts("bottom")),
        tops=tuple(message.texts("top")),
        num_output=_number(own, ("num_output",), None, place),
        kernel=0 if covers_all else _number(own, ("kernel_size", "kernel_h", "kernel_w"), None, place),
        stride=_number(own, ("stride", "stride_h", "stride_w"), 1, place),
        pad=_number(own, ("pad", "pad_h", "pad_w"), 0, place),
        pool=_POOLS[pools[0]] if kind == "Pooling" else None,
        group=_number(own, ("group",), 1, place),
        dilation=_number(own, ("dilation",), 1, place),
        bias=own.texts("bias_term") != ["false"],
        training=phases == {"TRAIN"} or "TEST" in excluded,
    )


@overload
def _number(message: Message, names: tuple[str, ...], usual: int, place: str) -> int: ...
@overload
def _number(message: Message, names: tuple[str, ...], usual: None, place: str) -> int | None: ...
def _number(message: Message, names: tuple[str, ...], usual: int | None, place: str) -> int | None:
    """The one number that all fields of the given names agree on: windows are square."""
    texts = {text for name in names for text in message.texts(name)}
    if not texts:
        return usual
    text = texts.pop()
    if texts or not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise WeightsError(
            f"{place}: {names[0]} is {', '.join(sorted({text, *texts}))}; expected one whole number"
        )
    return int(text)


def _input_shape(network: Message, path: Path) -> tuple[int, ...]:
    inputs = [layer for layer in network.messages("layer") if layer.texts("type") == ["Input"]]
    parameters = [inner for layer in inputs for inner in layer.messages("input_param")]
    shapes = network.messages("input_shape") + [
        shape for inner in parameters for shape in inner.messages("shape")
    ]
    texts = network.texts("input_dim") or [text for shape in shapes[:1] for text in shape.texts("dim")]
    numbers = [_number(Message((("dim", text),)), ("dim",), 0, f"{path}: the input") for text in texts]
    return tuple(numbers[:4])
