"""Pictures made square: the pixels that the models' own preprocessing gives them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx_files import mean_colours
from PIL import Image, ImageOps

from i2v_search import load_encoder, sample_directory
from i2v_search.encoders.base import encode_images
from i2v_search.encoders.importing import import_onnx
from i2v_search.encoders.model_card import OnnxDescription
from i2v_search.encoders.resizing import fit_square, preprocessing_of, shrink_to
from i2v_search.images.decoding import decode_image

SIZES = [(640, 427), (427, 640), (225, 224), (224, 225), (301, 300), (50, 37), (7, 1000), (333, 333)]
RESAMPLE = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def by_clip_image_processor(image: Image.Image, side: int, resample: str) -> NDArray[np.uint8]:
    """What transformers documents: ``get_resize_output_image_size`` with ``shortest_edge``, then
    ``center_crop`` with ``top = (height - side) // 2``."""
    width, height = image.size
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = side, int(side * long / short)
    size = (new_short, new_long) if width <= height else (new_long, new_short)
    pixels = np.asarray(image.resize(size, RESAMPLE[resample]))
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[top : top + side, left : left + side]


def by_wd_tagger(image: Image.Image, side: int, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """What the demonstration of the taggers does: a square canvas, then one resize."""
    largest = max(image.size)
    canvas = np.full((largest, largest, 3), colour, np.uint8)
    left, top = (largest - image.width) // 2, (largest - image.height) // 2
    canvas[top : top + image.height, left : left + image.width] = np.asarray(image)
    return np.asarray(Image.fromarray(canvas).resize((side, side), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("resample", ["bicubic", "bilinear"])
@pytest.mark.parametrize("side", [224, 225])
@pytest.mark.parametrize("size", [size for size in SIZES if max(size) < 1000])
def test_a_crop_is_that_of_clip_image_processor(size: tuple[int, int], side: int, resample: Any) -> None:
    image = noise(size)
    description = OnnxDescription(size=side, resize="crop", resample=resample)
    found = np.asarray(fit_square(image, description))
    np.testing.assert_array_equal(found, by_clip_image_processor(image, side, resample))


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (124, 116, 104)])
@pytest.mark.parametrize("size", [size for size in SIZES if max(size) < 8 * 96])
def test_padding_comes_before_resizing_as_in_the_taggers(
    size: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    image = noise(size)
    description = OnnxDescription(size=96, resize="pad", pad_colour=colour)
    np.testing.assert_array_equal(np.asarray(fit_square(image, description)), by_wd_tagger(image, 96, colour))


def test_a_letterbox_is_resized_before_padding() -> None:
    description = OnnxDescription(size=64, resize="letterbox", pad_colour=(0, 0, 255))
    found = np.asarray(fit_square(noise((100, 50)), description))
    np.testing.assert_array_equal(
        found[16:48], np.asarray(noise((100, 50)).resize((64, 32), Image.Resampling.BICUBIC))
    )
    assert (found[:16] == (0, 0, 255)).all()
    assert (found[48:] == (0, 0, 255)).all()


@pytest.mark.parametrize("resample", ["bicubic", "bilinear"])
def test_interpolation_is_chosen(resample: Any) -> None:
    image = noise((90, 70))
    found = np.asarray(fit_square(image, OnnxDescription(size=32, resample=resample)))
    np.testing.assert_array_equal(found, np.asarray(image.resize((32, 32), RESAMPLE[resample])))


@pytest.mark.parametrize("resize", ["stretch", "pad", "letterbox", "crop"])
def test_a_long_strip_takes_little_memory(resize: Any) -> None:
    """Beside it the square canvas has 9 * 10^10 pixels, and the resized strip 224 times as many as it has."""
    for size in ((300_000, 2), (2, 300_000)):
        found = fit_square(Image.new("RGB", size, "teal"), OnnxDescription(size=224, resize=resize))
        assert found.size == (224, 224)
        assert found.getpixel((112, 112)) == (0, 128, 128) or resize in {"pad", "letterbox"}


def large_photo(tmp_path: Path, name: str) -> Path:
    """A picture of 900 x 600 pixels with edges and grain: as large for 64 pixels as 3,150 x 2,100 for 224."""
    art = next(iter(sorted((sample_directory() / "birds").glob("*.webp"))))
    with Image.open(art) as image:
        pixels = np.asarray(image.convert("RGB").resize((900, 600), Image.Resampling.BICUBIC), np.int16)
    grain = np.random.default_rng(0).normal(0, 6, (600, 900, 1))
    Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8)).save(tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_a_large_picture_that_is_reduced_first_differs_by_less_than_half_a_grey_level(
    tmp_path: Path, resize: Any, name: str
) -> None:
    file = large_photo(tmp_path, name)

    def pixels(description: OnnxDescription, shrink: int | None) -> NDArray[np.int16]:
        image = decode_image(file, shrink_to=shrink).pixels
        return np.asarray(fit_square(image, description), np.int16)

    exact = OnnxDescription(size=64, resize=resize)
    whole = pixels(exact, None)
    assert decode_image(file, shrink_to=shrink_to(exact)).pixels.size == (450, 300)
    assert 0 < np.abs(pixels(exact, shrink_to(exact)) - whole).mean() < 0.5
    earlier = exact.model_copy(update={"exact": False})
    assert np.abs(pixels(earlier, shrink_to(earlier)) - whole).mean() > 0.5


@pytest.mark.integration
def test_a_model_of_an_earlier_release_gets_the_pixels_it_got(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its card tells of `logits`; crops and padding were made in one step, from a picture reduced further."""
    monkeypatch.setenv("I2V_SEARCH_MODELS", str(tmp_path / "models"))
    expected = {"crop": ImageOps.fit, "pad": ImageOps.pad}
    for resize, fitted in expected.items():
        description = OnnxDescription(size=16, resize=resize, output="vector")  # type: ignore[arg-type]
        import_onnx(mean_colours(tmp_path / "m.onnx"), name=resize, description=description)
        path = tmp_path / "models" / resize / "model.json"
        card = json.loads(path.read_text())
        for added in ("exact", "activation", "pooling", "resample", "pad_colour"):
            del card["onnx"][added]
        del card["text"], card["files"]
        card["onnx"]["logits"] = True
        path.write_text(json.dumps(card))
        encoder: Any = load_encoder(resize)
        assert encoder.description.activation == "sigmoid"
        assert encoder.shrink_to == 16
        image = noise((50, 37))
        options: dict[str, Any] = {"color": (255, 255, 255)} if resize == "pad" else {}
        whole = np.asarray(fitted(image, (16, 16), Image.Resampling.BICUBIC, **options), np.float32)
        found = encode_images(encoder, [image]).vectors[0]
        np.testing.assert_allclose(found, whole.mean(axis=(0, 1)), rtol=1e-5)


def test_each_way_has_a_name_of_its_own() -> None:
    usual = OnnxDescription(size=224)
    changes: list[dict[str, Any]] = [
        *({"size": 225}, {"layout": "NHWC"}, {"channels": "BGR"}, {"scale": 255}, {"mean": (1, 0, 0)}),
        *({"std": (1, 1, 2)}, {"resize": "crop"}, {"resize": "pad"}, {"resize": "letterbox"}),
        *({"resize": "pad", "pad_colour": (0, 0, 0)}, {"resample": "bilinear"}, {"exact": False}),
        *({"pooling": "cls"}, {"pooling": "mean"}),
    ]
    names = {preprocessing_of(usual.model_copy(update=change)) for change in (*changes, {})}
    assert len(names) == len(changes) + 1
