"""What people do with the original library, as their programs write it, works by changing the import.

The expected numbers come from its published method done anew: scikit-image stretches, torch runs the layers.
"""

from __future__ import annotations

import copy
import gzip
import io
import json
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from caffe_files import CONVOLUTIONS, POOLED, SeededWeights, prototxt, shapes, write_caffemodel
from numpy.typing import NDArray
from PIL import Image, ImageOps
from skimage.transform import resize
from torch import nn

from i2v_search import i2v, load_encoder
from i2v_search.encoders.base import encode_images
from i2v_search.encoders.importing import import_weights
from i2v_search.encoders.networks.illustration2vec import i2v_network
from i2v_search.encoders.networks.layers import onnx_model
from i2v_search.errors import (
    EncoderError,
    I2VSearchError,
    ImageTypeError,
    MissingLayerError,
    TagError,
    TagListError,
    TagRuleError,
    UnknownTagError,
    WeightsError,
)

pytestmark = pytest.mark.integration

NAMES = [*(f"tag {number}" for number in range(1536)), "safe", "questionable", "explicit"]
MEAN = (164.76139251, 167.47864617, 181.13838569)
TAG = SeededWeights(shapes("tag", tags=len(NAMES)), seed=1)
FEATURE = SeededWeights(shapes("feature", "encode2", dimension=64, tags=len(NAMES)))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the files of the release, narrow, and a picture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("i2v_search.encoders.networks.runtime.user_cache_path", lambda _: tmp_path / "cache")
    write_caffemodel(tmp_path / "illust2vec_tag_ver200.caffemodel", TAG)
    write_caffemodel(tmp_path / "illust2vec_ver200.caffemodel", FEATURE)
    (tmp_path / "illust2vec_tag.prototxt").write_text(prototxt(TAG))
    (tmp_path / "illust2vec.prototxt").write_text(prototxt(FEATURE))
    (tmp_path / "tag_list.json").write_text(json.dumps(NAMES))
    (tmp_path / "tag_list.json.gz").write_bytes(gzip.compress(json.dumps(NAMES).encode()))
    np.savez(tmp_path / "threshold.npz", threshold=np.full((len(NAMES), 3), [0.2, 0.5, 0.9], np.float32))
    np.save(tmp_path / "image_mean.npy", np.random.default_rng(2).uniform(90, 200, (3, 8, 9)))
    picture().save(tmp_path / "miku.png")
    return tmp_path


@pytest.fixture
def tagger(data: Path) -> i2v.Illustration2Vec:
    return i2v.make_i2v_with_chainer("illust2vec_tag_ver200.caffemodel", "tag_list.json")


@pytest.fixture
def extractor(data: Path) -> i2v.Illustration2Vec:
    return i2v.make_i2v_with_chainer("illust2vec_ver200.caffemodel")


def picture(width: int = 300, height: int = 190, *, low: int = 0) -> Image.Image:
    """Noise with edges, smooth enough that stretching it matters little and large enough that it does."""
    small = np.random.default_rng(width).integers(low, 256, (12, 16, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.NEAREST)


# --- the published method


def network(weights: Mapping[str, NDArray[np.float32]], *, until: str) -> Any:
    """The layers as torch's own, up to the values that Caffe calls by a name."""
    layers: list[nn.Module] = []

    def weighted(name: str) -> Any:
        weight = torch.from_numpy(weights[f"{name}.weight"])
        made: Any = nn.Conv2d(1, 1, 3, padding=1) if weight.ndim == 4 else nn.Linear(1, 1)
        made.weight = nn.Parameter(weight)
        made.bias = nn.Parameter(torch.from_numpy(weights[f"{name}.bias"]))
        return made

    for name in CONVOLUTIONS:
        layers += [weighted(name), nn.ReLU()]
        if name == until:
            return nn.Sequential(*layers)
        if name in POOLED:
            layers.append(nn.MaxPool2d(2))
            if until == f"pool{name[4]}":
                return nn.Sequential(*layers)
    if until.startswith("encode1"):
        layers += [nn.Flatten(), weighted("encode1")]
        return nn.Sequential(*layers, *([nn.Sigmoid()] if until == "encode1neuron" else []))
    layers.append(weighted("conv6_4"))
    if until != "conv6_4":
        layers += [nn.AvgPool2d(7), nn.Flatten()]
    return nn.Sequential(*layers, *([nn.Sigmoid()] if until == "prob" else []))


def prepared(
    image: Any, *, anti_aliasing: bool = False, mean: Any = MEAN, size: tuple[int, int] = (224, 224)
) -> NDArray[np.float32]:
    """An image as input of the network, (3, 224, 224)."""
    values = np.asarray(image, np.float32)
    if values.ndim == 2 or values.shape[2] == 1:
        values = np.dstack([values] * 3)
    values = values[:, :, :3]
    low, span = values.min(), np.ptp(values) or 1
    scaled = resize((values - low) / span, size, order=1, mode="constant", anti_aliasing=anti_aliasing)
    planes = ((scaled * span + low)[:, :, ::-1] - np.array(mean)).transpose(2, 0, 1)
    return np.asarray(planes, np.float32)


def expected(images: list[Any], until: str = "encode1", **method: Any) -> NDArray[np.float32]:
    batch = torch.from_numpy(np.stack([prepared(image, **method) for image in images]))
    weights = FEATURE if until.startswith("encode") else TAG
    with torch.inference_mode():
        values: NDArray[np.float32] = network(weights, until=until)(batch).numpy()
    return values


def assert_close(ours: NDArray[Any], theirs: NDArray[Any]) -> None:
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * max(1.0, float(np.abs(theirs).max())))


# --- images


def converted(image: Image.Image, kind: str) -> Any:
    array = np.asarray(image)
    match kind:
        case "nested lists":
            return array.tolist()
        case "(h, w)":
            return array[:, :, 0]
        case "(h, w, 1)":
            return array[:, :, :1].astype(np.int64)
        case "tensor":
            return torch.from_numpy(array.copy())
        case "fractions":
            return array + np.random.default_rng(3).uniform(-0.5, 0.5, array.shape).clip(-array, 255 - array)
        case "alpha of floats":
            return np.dstack([array, array[:, :, 0]]).astype(np.float32)
        case "view of a BGR array":
            return np.ascontiguousarray(array[:, :, ::-1])[:, :, ::-1]
        case _:
            return array.astype(kind)


KINDS = [
    *("uint8", "float16", "float32", "float64", "uint16", "int16", "int64", "uint64"),
    *("nested lists", "(h, w)", "(h, w, 1)", "tensor", "fractions", "alpha of floats", "view of a BGR array"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(90, 130), (300, 190)])
def test_arrays_of_every_kind_give_what_the_original_gave(
    extractor: i2v.Illustration2Vec, kind: str, size: tuple[int, int]
) -> None:
    image = converted(picture(*size, low=40), kind)
    assert_close(extractor.extract_feature([image]), expected([image]))


def test_a_small_picture_has_its_own_darkest_value_outside(extractor: i2v.Illustration2Vec) -> None:
    image = picture(60, 50, low=90)
    assert_close(extractor.extract_feature([image, np.asarray(image)]), expected([image] * 2))


def test_a_flat_picture_stays_flat(extractor: i2v.Illustration2Vec) -> None:
    assert np.array_equal(
        extractor.resize_image(np.full((3, 5, 3), 77), (224, 224)), np.full((224, 224, 3), 77)
    )


@pytest.mark.parametrize(
    ("image", "low", "high"),
    [
        (np.asarray(picture()) > 99, 0, 1),
        (np.asarray(picture()) / 255, 0, 1),
        (np.asarray(picture()).astype(np.uint16) * 257, 0, 65535),
        (np.asarray(picture()) - 127.5, -127.5, 127.5),
    ],
    ids=["bool", "0 to 1", "16 bits", "centred"],
)
def test_numbers_that_are_no_grey_levels_count_as_they_did_with_a_warning(
    extractor: i2v.Illustration2Vec, image: Any, low: float, high: float
) -> None:
    with pytest.warns(
        UserWarning, match=f"values from {low:g} to {high:g}; the network reads them as 0 to 255"
    ):
        found = extractor.extract_feature([image])
    assert_close(found, expected([image]))


def test_one_array_of_many_images_and_one_image_alone(extractor: i2v.Illustration2Vec) -> None:
    images = np.stack([np.asarray(picture(64, 64, low=low)) for low in (0, 100)]).astype(np.float32)
    together = extractor.extract_feature(images)
    assert_close(together, expected(list(images)))
    for alone in (images[1], torch.from_numpy(images[1]), Image.fromarray(images[1].astype(np.uint8))):
        assert_close(extractor.extract_feature(alone), together[1:])
    assert_close(extractor.extract_feature(iter(images)), together)


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "CMYK", "LA"])
def test_an_image_of_another_mode_becomes_rgb_first(extractor: i2v.Illustration2Vec, mode: str) -> None:
    """The original read palettes as grey levels, inks as colours, and left alpha out."""
    image = picture().convert(mode)
    assert_close(extractor.extract_feature([image]), expected([image.convert("RGB")]))


def test_arrays_of_bytes_with_alpha_lie_on_white(extractor: i2v.Illustration2Vec) -> None:
    image = picture().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    on_white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    found = extractor.extract_feature([image, np.asarray(image), np.asarray(image.convert("LA"))])
    np.testing.assert_allclose(found[:2], expected([on_white] * 2), rtol=0.05, atol=2)
    assert np.array_equal(found[0], found[1])


NO_IMAGES: dict[str, Any] = {
    "None": None,
    "an object": object(),
    "a number": 3.5,
    "ragged lists": [[1, 2], [3]],
    "channels first": np.zeros((3, 224, 224)),
    "five channels": np.zeros((5, 5, 5)),
    "no pixels": np.zeros((0, 5, 3)),
    "not a number": np.full((4, 4), np.nan),
    "complex": np.zeros((4, 4), complex),
    "text": np.array([["a"]]),
}


@pytest.mark.parametrize("kind", NO_IMAGES)
def test_what_is_no_image_is_a_type_error_as_before(extractor: i2v.Illustration2Vec, kind: str) -> None:
    with pytest.raises(ImageTypeError) as raised:
        extractor.extract_feature([NO_IMAGES[kind]])
    assert isinstance(raised.value, TypeError)


def test_the_exif_orientation_turns_nothing(extractor: i2v.Illustration2Vec) -> None:
    stored, exif, file = picture(), Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    stored.save(file, "PNG", exif=exif)
    Path("turned.png").write_bytes(file.getvalue())
    opened = Image.open("turned.png")
    by_hand = opened.transpose(Image.Transpose.ROTATE_270)  # keeps the EXIF data, as people's programs do
    upright = ImageOps.exif_transpose(opened)
    found = extractor.extract_feature([opened, "turned.png", by_hand, upright])
    assert_close(found, expected([stored, stored, by_hand, by_hand]))
    assert not np.allclose(found[0], found[2], rtol=0.01)


@pytest.mark.parametrize("size", [(900, 700), (150, 600), (60, 50)])
def test_the_anti_aliasing_of_later_versions_of_scikit_image_is_an_option(
    data: Path, size: tuple[int, int]
) -> None:
    illust2vec = i2v.make_i2v_with_caffe(
        "illust2vec.prototxt", "illust2vec_ver200.caffemodel", anti_aliasing=True
    )
    image = Image.fromarray(np.random.default_rng(0).integers(30, 256, (*size, 3), np.uint8))
    theirs = expected([image], anti_aliasing=True)
    assert_close(illust2vec.extract_feature([image]), theirs)
    if max(size) > 224:
        plain = i2v.make_i2v_with_chainer("illust2vec_ver200.caffemodel").extract_feature([image])
        assert not np.allclose(plain, theirs, rtol=0.05)


# --- attributes


def test_the_object_has_the_attributes_of_the_original(data: Path) -> None:
    tagger = i2v.make_i2v_with_chainer("illust2vec_tag_ver200.caffemodel", "tag_list.json", "threshold.npz")
    assert isinstance(tagger.tags, np.ndarray)
    assert tagger.tags[[3, 1536]].tolist() == ["tag 3", "safe"]
    assert tagger.index["explicit"] == 1538
    assert tagger.threshold is not None
    assert np.array_equal(tagger.threshold[7], np.array([0.2, 0.5, 0.9], np.float32))
    np.testing.assert_allclose(tagger.mean, MEAN)
    bare = i2v.make_i2v_with_chainer("illust2vec_ver200.caffemodel")
    assert bare.tags is None
    assert bare.threshold is None


def test_a_mean_that_is_set_is_subtracted(extractor: i2v.Illustration2Vec) -> None:
    extractor.mean = np.array([1.0, 2.0, 3.0])
    assert_close(extractor.extract_feature([picture()]), expected([picture()], mean=(1, 2, 3)))


def test_images_are_resized_by_the_method_of_the_original(extractor: i2v.Illustration2Vec) -> None:
    for new_dims in ((224, 224), [224, 224, 3], (50, 400)):
        image = np.asarray(picture(), np.float32)
        theirs = prepared(image, mean=(0, 0, 0), size=(new_dims[0], new_dims[1])).transpose(1, 2, 0)
        assert_close(extractor.resize_image(image, new_dims, interp_order=1), theirs[:, :, ::-1])
    with pytest.raises(EncoderError, match="interp_order is 3"):
        extractor.resize_image(image, (224, 224), interp_order=3)


def test_the_network_is_called_and_told_to_prepare_as_in_the_ports(extractor: i2v.Illustration2Vec) -> None:
    batch = np.stack([prepared(picture())] * 2)
    extractor.net.eval().to("cuda:0").to_gpu()
    first, second = extractor.net(inputs={"data": batch}, outputs=["pool2", "encode1"], train=False)
    assert first.shape == (2, 3, 56, 56)
    assert_close(second, expected([picture()] * 2))


@pytest.mark.parametrize(
    "layer",
    [
        *("conv1_1", "conv3_2", "conv5_2", "conv6_3", "pool1", "pool5", "conv6_4", "prob"),
        *("encode1", "encode1neuron"),
    ],
)
def test_inner_layers_are_features(
    tagger: i2v.Illustration2Vec, extractor: i2v.Illustration2Vec, layer: str
) -> None:
    illust2vec, images = (extractor if layer.startswith("encode") else tagger), [picture(), picture(99, 500)]
    theirs = expected(images, layer)
    assert_close(illust2vec._extract(images, layername=layer), theirs)
    assert_close(illust2vec.extract_feature(images, layername=layer), theirs.reshape(2, -1))


@pytest.mark.parametrize(
    ("name", "layer"), [("conv5", "conv5_2"), ("relu4_1", "conv4_1"), ("drop6_3", "conv6_3")]
)
def test_a_layer_has_the_names_of_its_group_and_of_its_relu(
    extractor: i2v.Illustration2Vec, name: str, layer: str
) -> None:
    batch = np.stack([prepared(picture())])
    by_name, by_layer = extractor.net(inputs={"data": batch}, outputs=[name, layer])
    assert np.array_equal(by_name, by_layer)


def test_inner_layers_leave_nothing_in_the_cache(tagger: i2v.Illustration2Vec, data: Path) -> None:
    tagger.extract_feature([picture()], "conv6_4")
    assert not (data / "cache").exists()
    tagger.estimate_top_tags([picture()])
    assert (data / "cache").exists()


# --- tags


def test_tags_have_the_probabilities_of_the_published_method(tagger: i2v.Illustration2Vec) -> None:
    images = [picture(), picture(120, 80)]
    theirs = expected(images, "prob")
    assert_close(tagger._estimate(images), theirs)
    chosen = tagger.estimate_specific_tags(images, np.asarray(["tag 700", "safe"]))
    assert [list(row) for row in chosen] == [["tag 700", "safe"]] * 2
    np.testing.assert_allclose([list(row.values()) for row in chosen], theirs[:, [700, 1536]], rtol=1e-3)
    for row, found in zip(theirs, tagger.estimate_top_tags(images, n_tag=4), strict=True):
        assert [NAMES.index(name) for name, _ in found["character"]] == (
            512 + np.argsort(-row[512:1024], kind="stable")[:4]
        ).tolist()
    for row, plausible in zip(theirs, tagger.estimate_plausible_tags(images, threshold=0.5), strict=True):
        assert len(plausible["general"]) == (row[:512] > 0.5).sum()


def test_results_are_written_as_json_and_read_as_pairs(tagger: i2v.Illustration2Vec) -> None:
    result = tagger.estimate_plausible_tags([picture()], threshold=0)
    assert json.loads(json.dumps(result))[0].keys() == {"general", "character", "copyright", "rating"}
    assert set(dict(list(result[0]["rating"]))) == {"safe", "questionable", "explicit"}
    assert len(dict(result[0]["general"])) == 512


# --- errors


def test_features_of_the_tag_model_are_a_key_error_as_before(tagger: i2v.Illustration2Vec) -> None:
    with pytest.raises(
        MissingLayerError, match=r"^these are weights of the tag model, .*'encode1'"
    ) as raised:
        tagger.extract_feature([picture()])
    assert isinstance(raised.value, KeyError)
    assert isinstance(raised.value, EncoderError)
    with pytest.raises(KeyError, match="there is no layer 'fc7'; available: conv1, conv1_1, "):
        tagger.extract_feature([picture()], "fc7")


def test_tags_of_the_feature_model_are_a_key_error_as_before(data: Path) -> None:
    both = i2v.make_i2v_with_chainer("illust2vec_ver200.caffemodel", "tag_list.json")
    with pytest.raises(MissingLayerError, match=r"'conv6_4'\); load the tag model") as raised:
        both.estimate_top_tags([picture()])
    assert isinstance(raised.value, KeyError)


def test_tags_without_a_list_or_with_another_are_an_assertion_error_as_before(data: Path) -> None:
    bare = i2v.make_i2v_with_chainer("illust2vec_tag_ver200.caffemodel")
    with pytest.raises(TagListError, match=r"load the tag model with its tag_list\.json") as raised:
        bare.estimate_plausible_tags([picture()])
    assert isinstance(raised.value, AssertionError)
    assert isinstance(raised.value, EncoderError)
    Path("short.json").write_text(json.dumps(NAMES[1:]))
    with pytest.raises(TagListError, match=r"short\.json: .* this one has 1538") as short:
        i2v.make_i2v_with_chainer("illust2vec_tag_ver200.caffemodel", "short.json")
    assert isinstance(short.value, AssertionError)
    Path("other.json").write_text(json.dumps({"general": ["a", "b"]}))
    with pytest.raises(AssertionError, match="has 2 tags, but the tag head has 1539 outputs"):
        i2v.make_i2v_with_chainer("illust2vec_tag_ver200.caffemodel", "other.json")


def test_an_unknown_tag_is_a_key_error_as_before(tagger: i2v.Illustration2Vec) -> None:
    with pytest.raises(UnknownTagError, match=r"^none of the 1539 tags is 'tag 9999'") as raised:
        tagger.estimate_specific_tags([picture()], ["tag 9999"])
    assert isinstance(raised.value, KeyError)
    assert isinstance(raised.value, TagError)


@pytest.mark.parametrize(
    ("rule", "message"), [("f1", "needs a threshold for each tag"), ("f3", "is unknown")]
)
def test_a_rule_without_thresholds_is_a_type_error_as_before(
    tagger: i2v.Illustration2Vec, rule: Any, message: str
) -> None:
    with pytest.raises(TagRuleError, match=message) as raised:
        tagger.estimate_plausible_tags([picture()], threshold_rule=rule)
    assert isinstance(raised.value, TypeError)
    assert isinstance(raised.value, TagError)


def test_errors_survive_the_trip_between_processes() -> None:
    for error in (MissingLayerError("a"), TagListError("b"), UnknownTagError("c"), ImageTypeError("d", "e")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))
        assert isinstance(again, I2VSearchError)


# --- loading


def test_the_makers_of_the_original_and_its_ports_load_the_same(data: Path) -> None:
    (data / "tag.onnx").write_bytes(onnx_model(i2v_network("tag"), TAG))
    torch.save({name: torch.from_numpy(array) for name, array in TAG.items()}, "tag.pth")
    weights, pth, tags = "illust2vec_tag_ver200.caffemodel", "tag.pth", "tag_list.json"
    theirs = expected([picture()], "prob")
    for illust2vec in (
        i2v.make_i2v_with_caffe("illust2vec_tag.prototxt", weights, tag_path=tags),
        i2v.make_i2v_with_caffe(net_path="illust2vec_tag.prototxt", param_path=weights, tag_path=tags),
        i2v.make_i2v_with_caffe(weights, tag_path=tags),
        i2v.make_i2v_with_chainer(weights, "tag_list.json.gz"),
        i2v.make_i2v_with_onnx("tag.onnx", tags),
        i2v.make_i2v_with_pytorch("illust2vec_tag_ver200.py", pth, tags),
        i2v.make_i2v_with_pytorch(model_path="illust2vec_pytorch.py", param_path=pth, tag_path=tags),
        i2v.make_i2v_with_pytorch(param_path=pth, tag_path=tags, mode="tag"),
        i2v.make_i2v_with_pytorch(pth, tags),
        i2v.make_i2v_with_pytorch(pth, tags, "threshold.npz", "tag"),
        i2v.make_i2v_with_pytorch(pth, tag_path=tags),
        i2v.PytorchI2V(pth, tags),
    ):
        assert_close(illust2vec._estimate([picture()]), theirs)
        assert isinstance(illust2vec, i2v.Illustration2VecBase)
    with pytest.raises(WeightsError, match="no file of weights is given"):
        i2v.make_i2v_with_pytorch(tag_path=tags)
    with pytest.raises(WeightsError):
        i2v.make_i2v_with_caffe("illust2vec.prototxt", weights, tags)


def test_thresholds_are_found_in_their_place(data: Path) -> None:
    torch.save({name: torch.from_numpy(array) for name, array in TAG.items()}, "tag.pth")
    for illust2vec in (
        i2v.make_i2v_with_caffe(
            "illust2vec_tag.prototxt", "illust2vec_tag_ver200.caffemodel", "tag_list.json", "threshold.npz"
        ),
        i2v.make_i2v_with_pytorch(None, "tag.pth", "tag_list.json", "threshold.npz"),
        i2v.make_i2v_with_pytorch("tag.pth", "tag_list.json", "threshold.npz"),
    ):
        (found,) = illust2vec.estimate_plausible_tags([picture()], threshold_rule="f2")
        assert len(found["general"]) == (expected([picture()], "prob")[0, :512] > 0.9).sum()


def test_one_port_has_a_mean_image_before_the_list_of_tags(data: Path) -> None:
    mean = np.load("image_mean.npy").mean(1).mean(1)
    weights = ("illust2vec_tag.prototxt", "illust2vec_tag_ver200.caffemodel")
    for illust2vec in (
        i2v.make_i2v_with_caffe(*weights, "image_mean.npy", "tag_list.json"),
        i2v.make_i2v_with_caffe(*weights, mean_path="image_mean.npy", tag_path="tag_list.json"),
    ):
        np.testing.assert_allclose(illust2vec.mean, mean, rtol=1e-6)
        assert_close(illust2vec._estimate([picture()]), expected([picture()], "prob", mean=mean))


def test_a_file_with_both_models_gives_tags_and_features_in_any_mode(data: Path) -> None:
    state = {**TAG, **{name: array for name, array in FEATURE.items() if "encode" in name}}
    blocks = {
        f"{'block' if name.partition('.')[0] in CONVOLUTIONS else 'tag_classifier'}.{name}": array
        for name, array in TAG.items()
    }
    blocks |= {name: array for name, array in state.items() if "encode" in name}
    torch.save({name: torch.from_numpy(array) for name, array in blocks.items()}, "both.bin")
    illust2vec = i2v.make_i2v_with_pytorch(param_path="both.bin", tag_path="tag_list.json", mode="tag")
    illust2vec.net.eval()
    assert_close(illust2vec._estimate([picture()]), expected([picture()], "prob"))
    illust2vec.change_mode(new_mode="feature")
    assert illust2vec.mode == "feature"
    with torch.inference_mode():
        theirs = network(state, until="encode1")(torch.from_numpy(prepared(picture())[None])).numpy()
    assert_close(illust2vec.extract_feature([picture()]), theirs)


class VGG11(nn.Module):
    """The network of the port whose README is the second one, with its widths made narrow."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        pools = {0, 1, 3, 5, 7}
        for number, (into, out) in enumerate(zip((3, *widths), widths, strict=False)):
            layers += [nn.Conv2d(into, out, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if number in pools else []
        self.features = nn.Sequential(*layers[:21])
        self.classifier = nn.Sequential(*layers[21:-1], nn.AvgPool2d(7, stride=1))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.classifier(self.features(values)))


def test_the_port_that_is_built_like_vgg_11_gives_what_torch_gives(data: Path) -> None:
    torch.manual_seed(0)
    module = VGG11((4, 6, 5, 4, 7, 5, 4, 6, 5, 7, 6, len(NAMES))).eval()
    torch.save(module.state_dict(), "illust2vec_tag_ver200.pth")
    illust2vec = i2v.make_i2v_with_pytorch(
        "illust2vec_pytorch.py", "illust2vec_tag_ver200.pth", "tag_list.json"
    )
    with torch.inference_mode():
        theirs = module(torch.from_numpy(prepared(picture())[None])).flatten(1).numpy()
    assert_close(illust2vec._estimate([picture()]), theirs)


def test_a_bare_sequential_gives_what_torch_gives(data: Path) -> None:
    module = network(TAG, until="conv6_4").eval()
    assert "27.weight" in module.state_dict()
    torch.save(module.state_dict(), "i2v.pth")
    illust2vec = i2v.PytorchI2V("i2v.pth", "tag_list.json")
    assert_close(illust2vec._extract([picture()], "conv6_4"), expected([picture()], "conv6_4"))


def test_the_object_is_pickled_and_copied(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    illust2vec = i2v.make_i2v_with_chainer(
        "illust2vec_tag_ver200.caffemodel", "tag_list.json", device="cpu", anti_aliasing=True
    )
    illust2vec.mean = np.array([9.0, 8.0, 7.0])
    (data / "elsewhere").mkdir()
    before = illust2vec._estimate([picture()])
    with (data / "illust2vec.pickle").open("wb") as file:
        pickle.dump(illust2vec, file)
    monkeypatch.chdir(data / "elsewhere")
    for again in (pickle.loads((data / "illust2vec.pickle").read_bytes()), copy.deepcopy(illust2vec)):
        assert np.array_equal(again._estimate([picture()]), before)


def test_vectors_are_those_of_the_imported_model(
    extractor: i2v.Illustration2Vec, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("I2V_SEARCH_MODELS", str(data / "models"))
    import_weights("illust2vec_ver200.caffemodel", name="imported")
    images = [picture(500, 400, low=50), picture(80, 70)]  # the small one holds a 0
    images[1].putpixel((3, 3), (0, 0, 0))
    imported = encode_images(load_encoder("imported"), images).vectors
    assert_close(extractor.extract_feature(images), imported)


@pytest.mark.parametrize(
    "program",
    [
        "import i2v_search.i2v",
        "from i2v_search.i2v import make_i2v_with_chainer, make_i2v_with_caffe, Illustration2VecBase",
        "from i2v_search.i2v.base import Illustration2VecBase\n"
        "from i2v_search.i2v.chainer_i2v import ChainerI2V, make_i2v_with_chainer",
        "from i2v_search.i2v.caffe_i2v import CaffeI2V, make_i2v_with_caffe",
        "from i2v_search.i2v import chainer_i2v\nassert chainer_i2v.ChainerI2V",
        "from i2v_search import i2v\ni2v.chainer_i2v.make_i2v_with_chainer\ni2v.base.Illustration2VecBase\n"
        "assert i2v.caffe_available or i2v.chainer_available\n"
        "import i2v_search, i2v_search.i2v.pytorch_i2v as port\nassert port is i2v is i2v_search.i2v\n"
        "assert i2v.__spec__.name == i2v.__name__ == 'i2v_search.encoders.i2v'",
        "import i2v_search, sys\nassert not [name for name in sys.modules if 'encoders' in name]\n"
        "try:\n    import i2v_search.i2v.resnet_i2v\nexcept ModuleNotFoundError:\n    raise SystemExit\n"
        "raise SystemExit('found')",
    ],
)
def test_the_modules_of_the_original_are_imported_as_before(program: str) -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_subclasses_of_the_original_s_classes_still_work(data: Path) -> None:
    class Inverted(i2v.ChainerI2V):
        def _convert_image(self, image: Any) -> Any:
            return 255 - super()._convert_image(image)

    class Doubled(i2v.ChainerI2V):
        def _extract(self, inputs: Any, layername: str) -> Any:
            return 2 * super()._extract(inputs, layername)

    inverted = Inverted("illust2vec_ver200.caffemodel")
    assert_close(inverted.extract_feature([picture()]), expected([255 - np.asarray(picture())]))
    doubled = Doubled("illust2vec_ver200.caffemodel")
    assert_close(doubled.extract_feature([picture()]), 2 * expected([picture()]))
