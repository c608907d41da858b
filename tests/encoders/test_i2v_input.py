"""Pictures become network input as the Illustration2Vec code of 2015 made it."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage.transform import resize

from i2v_search.encoders.i2v_input import (
    BGR_MEAN,
    PREPROCESSING,
    network_mean,
    preprocessing_id,
    resize_to_input,
    to_network_input,
)
from i2v_search.errors import EncoderError


def noise(width: int, height: int, *, low: int = 0, high: int = 256, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(low, high, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def as_scikit_image_does(picture: Image.Image) -> NDArray[np.float64]:
    resized: NDArray[np.float64] = resize(
        np.asarray(picture).astype(np.float64),
        (224, 224),
        order=1,
        mode="constant",
        anti_aliasing=False,
        preserve_range=True,
    )
    return resized


def difference(picture: Image.Image) -> float:
    """Largest difference from scikit-image in grey levels."""
    return float(np.abs(resize_to_input(picture) - as_scikit_image_does(picture)).max())


@pytest.mark.parametrize(
    "size",
    [
        *[(224, 224), (225, 223), (223, 225), (448, 448), (112, 56), (1000, 1414), (1414, 1000)],
        *[(1, 1), (1, 2), (2, 1), (1, 500), (500, 1), (3, 3), (100, 80), (100, 3000), (3000, 100)],
        *[(2, 65535), (4961, 701)],
    ],
)
@pytest.mark.parametrize("low", [0, 60])
def test_every_size_is_stretched_as_scikit_image_does(size: tuple[int, int], low: int) -> None:
    assert difference(noise(*size, low=low)) < 0.001


@pytest.mark.integration
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    low=st.integers(0, 254),
    span=st.integers(1, 256),
    seed=st.integers(0, 99),
)
@example(width=7, height=7, low=254, span=2, seed=0)
@settings(max_examples=60)
def test_any_picture_is_stretched_as_scikit_image_does(
    width: int, height: int, low: int, span: int, seed: int
) -> None:
    assert difference(noise(width, height, low=low, high=min(low + span, 256), seed=seed)) < 0.001


@pytest.mark.parametrize("size", [(60, 90), (640, 480)])
def test_a_grey_picture_has_three_equal_channels(size: tuple[int, int]) -> None:
    grey = noise(*size).convert("L")
    resized = resize_to_input(grey.convert("RGB"))
    assert difference(grey.convert("RGB")) < 0.001
    np.testing.assert_array_equal(resized[..., 0], resized[..., 1])
    np.testing.assert_array_equal(resized[..., 0], resized[..., 2])


def test_an_enlarged_picture_darkens_towards_its_border_but_never_below_its_own_minimum() -> None:
    white = Image.new("RGB", (10, 10), "white")
    assert resize_to_input(white).min() == 255
    white.putpixel((5, 5), (0, 0, 0))
    border = resize_to_input(white)[112, :12, 0]
    # Sample i lies at (i + 1/2) / 22.4 - 1/2 px: what is missing to pixel 0 comes from the black outside.
    np.testing.assert_allclose(border, 255 * np.minimum((np.arange(12) + 0.5) / 22.4 + 0.5, 1), atol=1e-4)


def test_a_flat_picture_stays_flat() -> None:
    for size in [(1, 1), (30, 300), (800, 600)]:
        np.testing.assert_array_equal(
            resize_to_input(Image.new("RGB", size, (10, 10, 10))), np.full((224, 224, 3), 10)
        )


def test_a_picture_of_the_right_size_is_untouched() -> None:
    picture = noise(224, 224)
    np.testing.assert_array_equal(resize_to_input(picture), np.asarray(picture))


def test_nothing_is_averaged() -> None:
    """Anti-aliasing would turn a fine chequer grey: three times 224 px put a sample on every third pixel."""
    chequer = (np.indices((672, 672)).sum(axis=0) % 2 * 255).astype(np.uint8)
    resized = resize_to_input(Image.fromarray(chequer).convert("RGB"))
    assert set(np.unique(resized).tolist()) == {0.0, 255.0}


def test_memory_does_not_grow_with_the_picture() -> None:
    picture = Image.new("RGB", (5000, 4000))
    tracemalloc.start()
    resize_to_input(picture)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000 < 5000 * 4000 * 3


def test_threads_share_pictures() -> None:
    pictures = [noise(90 + 37 * seed, 700 - 50 * seed, seed=seed) for seed in range(10)] * 4
    with ThreadPoolExecutor(4) as pool:
        for alone, together in zip(
            map(resize_to_input, pictures), pool.map(resize_to_input, pictures), strict=True
        ):
            np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I", "F", "1"])
def test_a_picture_that_is_not_rgb_is_refused(mode: str) -> None:
    with pytest.raises(ValueError, match=f"mode {mode}, not RGB"):
        resize_to_input(Image.new(mode, (300, 300)))


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="0 x 5 pixels"):
        resize_to_input(Image.new("RGB", (0, 5)))


def test_the_network_sees_blue_first_minus_the_channel_means() -> None:
    batch = np.empty((2, 224, 224, 3), np.float32)
    batch[0], batch[1] = (200, 100, 50), (1, 2, 3)
    network_input = to_network_input(batch, network_mean())
    assert network_input.shape == (2, 3, 224, 224)
    assert network_input.dtype == np.float32
    assert network_input.flags.c_contiguous
    np.testing.assert_allclose(network_input[0, :, 7, 9], np.array([50, 100, 200]) - BGR_MEAN, rtol=1e-6)
    np.testing.assert_allclose(network_input[1, :, 0, 223], np.array([3, 2, 1]) - BGR_MEAN, rtol=1e-6)


def test_rows_stay_rows() -> None:
    batch = np.stack([resize_to_input(noise(300, 200, seed=seed)) for seed in range(3)])
    expected = (batch[..., ::-1] - np.array(BGR_MEAN)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(to_network_input(batch, network_mean()), expected, atol=1e-4)


def test_a_mean_image_is_subtracted_pixel_by_pixel() -> None:
    mean = np.random.default_rng(0).uniform(0, 255, (3, 224, 224))
    batch = np.full((1, 224, 224, 3), 128, np.float32)
    for form in (mean, mean[np.newaxis], mean.tolist()):
        np.testing.assert_allclose(to_network_input(batch, network_mean(form))[0], 128 - mean, atol=1e-4)


def test_a_mean_image_of_another_size_is_stretched_as_the_pictures_are() -> None:
    mean = np.random.default_rng(0).uniform(0, 255, (3, 256, 300))
    expected = resize(mean.transpose(1, 2, 0), (224, 224), order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(network_mean(mean), expected.transpose(2, 0, 1), rtol=1e-5)


def test_the_edges_of_a_small_mean_image_are_continued() -> None:
    mean = np.random.default_rng(0).uniform(0, 255, (3, 7, 1))
    expected = resize(mean.transpose(1, 2, 0), (224, 224), order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(network_mean(mean), expected.transpose(2, 0, 1), rtol=1e-5)


def test_three_numbers_and_one_pixel_are_channel_means() -> None:
    np.testing.assert_array_equal(network_mean(np.reshape(BGR_MEAN, (1, 3, 1, 1))), network_mean())
    assert network_mean([1, 2, 3]).tolist() == [[[1]], [[2]], [[3]]]


@pytest.mark.parametrize("shape", [(), (1,), (4,), (224, 224, 3), (224, 224), (2, 3, 8, 8), (3, 0, 5), (0,)])
def test_a_mean_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(EncoderError, match="shape"):
        network_mean(np.ones(shape))


@pytest.mark.parametrize(
    "mean", [[1, 2, np.nan], [1, 2, np.inf], ["a", "b", "c"], [None, None, None], [1j, 1, 1]]
)
def test_a_mean_that_is_not_numbers_is_refused(mean: list[object]) -> None:
    with pytest.raises(EncoderError, match="finite numbers"):
        network_mean(mean)  # type: ignore[arg-type]


def test_the_preprocessing_id_names_the_mean() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (3, 224, 224))
    ids = {preprocessing_id(network_mean(mean)) for mean in (BGR_MEAN, [1, 2, 3], [3, 2, 1], image)}
    assert len(ids) == 4
    assert preprocessing_id(network_mean(np.array(BGR_MEAN, np.float32))) == PREPROCESSING
    assert preprocessing_id(network_mean(image)) == preprocessing_id(network_mean(image.copy()))


def test_the_preprocessing_id_of_a_mean_image_stays() -> None:
    """Collections hold it: one rounding more on the way to 224 pixels, and they refuse new images."""
    image = np.random.default_rng(0).uniform(0, 255, (3, 256, 256)).astype(np.float32)
    assert preprocessing_id(network_mean(image)).endswith("-sha256-a4bfa656bc5fd8f1")
