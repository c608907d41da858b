"""Encoders by name: built in, registered, plugged in; the cache of their graphs; their devices."""

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from grids import GridEncoder, draw, draw_folder
from numpy.typing import NDArray
from PIL import Image

from i2v_search.choices import Device, DeviceName
from i2v_search.collection.collection import Collection
from i2v_search.encoders import registry as registry_module
from i2v_search.encoders.base import (
    Encoder,
    Encoding,
    TaggedEncoder,
    encode_images,
    encode_texts,
    text_encoder_of,
    text_mean_of,
)
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite0 import Lite0Encoder
from i2v_search.encoders.networks import efficientnet, runtime
from i2v_search.encoders.networks.runtime import resolve_device
from i2v_search.encoders.registry import encoder_names, load_encoder, register_encoder
from i2v_search.encoders.tagging import tag_images
from i2v_search.errors import EncoderError
from i2v_search.tags.vocabulary import Vocabulary
from i2v_search.training.evaluation.encoding import encode_copies, encode_pictures

pytestmark = pytest.mark.integration

Values: TypeAlias = NDArray[Any]
CPU = Device(name="cpu", threads=1)


def load() -> Encoder:
    return load_encoder("lite0", CPU)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory of its own."""
    monkeypatch.setattr(runtime, "user_cache_path", lambda _: tmp_path / "cache")
    return tmp_path / "cache"


# --- the registry


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registrations of one test end with it."""
    monkeypatch.setattr(registry_module, "_FACTORIES", {})


def grid_factory(_: Device) -> Encoder:
    return GridEncoder()


def test_built_in_encoders_are_known_and_lite_is_the_default() -> None:
    assert {"lite", "lite0"} <= set(encoder_names())
    assert isinstance(load_encoder(device=CPU), LiteEncoder)
    assert isinstance(load_encoder("lite0", CPU), Lite0Encoder)


def test_an_unknown_encoder_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(EncoderError, match=r"no encoder 'big'; available: .*\blite\b"):
        load_encoder("big")


def test_a_registered_encoder_is_found_by_name(registry: None, tmp_path: Path) -> None:
    asked: list[Device] = []

    def factory(options: Device) -> Encoder:
        asked.append(options)
        return GridEncoder()

    register_encoder("grid", factory)
    assert encoder_names() == ["grid", "lite", "lite0"]
    found = load_encoder("grid", Device(name="cpu", threads=2))
    assert asked == [Device(name="cpu", threads=2)]
    with Image.open(draw(tmp_path / "a.png", 0)) as image:
        assert encode_images(found, [image]).vectors.shape == (1, 48)


@pytest.mark.parametrize("name", ["lite", "lite0", "grid"])
def test_a_name_is_given_once(name: str, registry: None) -> None:
    register_encoder("grid", grid_factory) if name == "grid" else None
    with pytest.raises(EncoderError, match=f"encoder '{name}' is already registered"):
        register_encoder(name, grid_factory)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three packages that are installed: one works, two do not."""
    points = EntryPoints(
        EntryPoint(name, value, registry_module.ENTRY_POINT_GROUP)
        for name, value in (
            ("plugged", f"{__name__}:grid_factory"),
            ("gone", "no_such_package:factory"),
            ("empty", f"{__name__}:no_such_factory"),
        )
    )
    monkeypatch.setattr(registry_module, "entry_points", points.select)


def test_an_installed_package_adds_its_encoder(plugins: None) -> None:
    assert "plugged" in encoder_names()
    assert isinstance(load_encoder("plugged"), GridEncoder)
    with pytest.raises(EncoderError, match="already registered"):
        register_encoder("plugged", grid_factory)


@pytest.mark.parametrize("name", ["gone", "empty"])
def test_a_broken_package_is_an_error_that_names_it(name: str, plugins: None) -> None:
    with pytest.raises(EncoderError, match=f"encoder '{name}' cannot be loaded from .*:.*no_such"):
        load_encoder(name)


# --- what an encoder gives


class Faulty(GridEncoder):
    """A grid encoder and tagger whose vectors or tags are changed before anybody sees them."""

    vocabulary: Vocabulary

    def __init__(self, what: str, change: Callable[[Values], Values]) -> None:
        super().__init__(Vocabulary(("red", "green", "blue"), ("general",) * 3))
        self.what, self.change = what, change

    def encode(self, inputs: Sequence[Values]) -> Encoding:
        given = super().encode(inputs)
        assert given.tags is not None
        vectors = self.change(given.vectors) if self.what == "vectors" else given.vectors
        return Encoding(vectors, self.change(given.tags) if self.what == "tags" else given.tags)

    def tag(self, inputs: Sequence[Values]) -> Values:
        return self.encode(inputs).tags  # type: ignore[return-value]


def with_value(value: float) -> Callable[[Values], Values]:
    """Put a value into the last row."""

    def change(values: Values) -> Values:
        values[-1, 1] = value
        return values

    return change


FAULTS: dict[str, tuple[Callable[[Values], Values], str]] = {
    "NaN": (with_value(np.nan), "{what} that are not finite numbers"),
    "infinite": (with_value(-np.inf), "{what} that are not finite numbers"),
    "a row missing": (lambda values: values[:-1], r"{what} of shape \(\d+, \d+\); expected"),
    "a row too many": (lambda values: np.repeat(values, 2, axis=0), r"{what} of shape .*; expected"),
    "too short": (lambda values: values[:, 1:], r"{what} of shape .*; expected"),
    "flat": (lambda values: values.ravel(), r"{what} of shape \(\d+,\); expected"),
}


def read_by(art: Path) -> dict[str, Callable[[Faulty], object]]:
    """Everything that asks an encoder or a tagger, by what it is for."""
    paths = sorted(map(str, art.iterdir()))

    def search(encoder: Faulty) -> object:
        good = Faulty("nothing", lambda values: values)
        collection = Collection.build(art.parent / "c", [art], encoder=good)
        draw(art.parent / "other.png", 99)
        collection._encoder.keep(encoder, collection.store.manifest)
        return collection.search(art.parent / "other.png")

    return {
        "a batch": lambda encoder: encode_images(encoder, map(Image.open, paths)),
        "a build": lambda encoder: Collection.build(art.parent / "c", [art], encoder=encoder),
        "an evaluation": lambda encoder: encode_pictures(
            encoder, paths, lambda row: Path(paths[row]).read_bytes()
        ),
        "edited copies": lambda encoder: encode_copies(
            encoder, paths, lambda row: Path(paths[row]).read_bytes()
        ),
        "a query": search,
        "tags": lambda encoder: list(tag_images([art], encoder)),
    }


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("what", ["vectors", "tags"])
@pytest.mark.parametrize("use", ["a batch", "a build", "an evaluation", "edited copies", "a query", "tags"])
def test_what_is_no_row_of_numbers_for_each_image_is_never_used(
    use: str, what: str, fault: str, tmp_path: Path
) -> None:
    art = draw_folder(tmp_path / "art", 3)
    change, message = FAULTS[fault]
    encoder = Faulty(what, change)
    if use == "tags" and what == "vectors":
        read_by(art)[use](encoder)  # a tagger's vectors are nobody's business
        return
    with pytest.raises(EncoderError, match=f"'grid' gave {message.format(what=what)}"):
        read_by(art)[use](encoder)


# --- text


class Captioned(GridEncoder):
    """A grid encoder whose text vectors are changed before anybody sees them."""

    text_mean = [0.5] * 48

    def __init__(self, change: Callable[[Values], Values] = lambda values: values) -> None:
        super().__init__(Vocabulary(("red", "green", "blue"), ("general",) * 3))
        self.change = change

    def encode_text(self, texts: Sequence[str]) -> Values:
        return self.change(np.array([[len(text)] * 48 for text in texts], np.float32))


def test_an_encoder_with_the_method_encodes_text_also_where_its_tags_come_from_elsewhere() -> None:
    tagged = TaggedEncoder(Captioned(), Faulty("nothing", lambda values: values))
    for encoder in (Captioned(), tagged):
        np.testing.assert_array_equal(encode_texts(encoder, ["a", "dog"])[:, 0], [1, 3])
        mean = text_mean_of(encoder)
        assert mean is not None
        assert mean.dtype == np.float32
        np.testing.assert_array_equal(mean, [0.5] * 48)


def test_an_encoder_without_it_encodes_no_text() -> None:
    assert text_encoder_of(GridEncoder()) is None
    assert text_mean_of(GridEncoder()) is None
    with pytest.raises(EncoderError, match="'grid' encodes no text"):
        encode_texts(GridEncoder(), ["a dog"])


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_row_of_numbers_for_each_text_is_never_used(fault: str) -> None:
    change, message = FAULTS[fault]
    with pytest.raises(EncoderError, match=f"'grid' gave {message.format(what='text vectors')}"):
        encode_texts(Captioned(change), ["a", "dog"])


# --- the cache of the serialized graph


def refuse(*_: object) -> Any:
    raise AssertionError("the checkpoint was read although the graph is in the cache")


def test_the_graph_is_built_once(cache: Path, monkeypatch: pytest.MonkeyPatch, cat: Image.Image) -> None:
    first = encode_images(load(), [cat]).vectors
    (folder,) = cache.iterdir()
    assert folder.name.startswith("efficientnet-lite0-")
    assert {path.name for path in folder.iterdir()} == {runtime.GRAPH, runtime.WEIGHTS}
    monkeypatch.setattr(efficientnet, "read_weights", refuse)
    assert encode_images(load(), [cat]).vectors.tobytes() == first.tobytes()


@pytest.mark.parametrize("name", [runtime.GRAPH, runtime.WEIGHTS])
@pytest.mark.parametrize("damage", ["cut", "a bit turned", "empty", "something else", "a folder", "gone"])
def test_a_damaged_cache_is_built_again(
    name: str, damage: str, cache: Path, encoder: Encoder, cat: Image.Image
) -> None:
    load()
    (folder,) = cache.iterdir()
    file = folder / name
    content = file.read_bytes()
    match damage:
        case "gone":
            file.unlink()
        case "a folder":
            file.unlink()
            file.mkdir()
        case "a bit turned":
            half = len(content) // 2
            file.write_bytes(content[:half] + bytes([content[half] ^ 64]) + content[half + 1 :])
        case _:
            file.write_bytes({"cut": content[:1000], "empty": b""}.get(damage, b"GIF89a"))
    again = load()
    assert encode_images(again, [cat]).vectors.tobytes() == encode_images(encoder, [cat]).vectors.tobytes()
    assert file.read_bytes() == content
    assert list(cache.iterdir()) == [folder]


def test_a_cache_that_cannot_be_written_costs_only_time(
    cache: Path, encoder: Encoder, cat: Image.Image
) -> None:
    cache.write_text("a file where the folder should be")
    again = encode_images(load(), [cat]).vectors
    assert again.tobytes() == encode_images(encoder, [cat]).vectors.tobytes()


def test_other_weights_or_layers_get_a_cache_entry_of_their_own(cache: Path) -> None:
    network, path = efficientnet.lite_network(), efficientnet.weights_path()
    weights = efficientnet.read_weights(path)
    for key in ("a" * 64, "b" * 64, "a" * 64):
        runtime.open_runtime(network, lambda: weights, key=key, device=Device(name="cpu", threads=1))
    assert len(list(cache.iterdir())) == 2


# --- devices


@pytest.mark.parametrize("name", ["lite", "lite0"])
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_an_error_with_the_way_out(
    name: str, device: DeviceName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(EncoderError, match=f"device '{device}' is not available .*use --device cpu"):
        load_encoder(name, Device(name=device))


def test_an_unknown_device_is_an_error() -> None:
    with pytest.raises(EncoderError, match="device 'tpu' is not available"):
        resolve_device("tpu")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("signs", "cuda", "mps", "expected"),
    [
        (False, True, True, "cpu"),
        (True, False, False, "cpu"),
        (True, True, False, "cuda"),
        (True, False, True, "mps"),
    ],
)
def test_auto_takes_a_gpu_where_torch_sees_one(
    signs: bool, cuda: bool, mps: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_may_have_gpu", lambda: signs)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto") == expected
