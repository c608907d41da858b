"""Imported models: from a file of the original release, or any ONNX model, to a collection with tags."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from caffe_files import SeededWeights, prototxt, shapes, write_binaryproto, write_caffemodel
from folders import ROOT
from grids import draw_folder
from onnx_files import colour_tags, mean_colours
from PIL import Image
from typer.testing import CliRunner

from i2v_search import Collection, i2v, load_encoder, load_tagger, sample_directory
from i2v_search.cli.main import app
from i2v_search.encoders import model_folder as models
from i2v_search.encoders.base import encode_images
from i2v_search.encoders.importing import Companions, default_name, import_onnx, import_weights
from i2v_search.encoders.model_card import OnnxDescription
from i2v_search.encoders.model_folder import find_model, installed_models, remove_model
from i2v_search.encoders.quantizing import quantize_model
from i2v_search.errors import EncoderError, EncoderMismatchError, QueryError, TagError, WeightsError
from i2v_search.tags.vocabulary import RULES

pytestmark = pytest.mark.integration

TAGS = 1539


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory and a cache of the test's own."""
    monkeypatch.setenv("I2V_SEARCH_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("i2v_search.encoders.networks.runtime.user_cache_path", lambda _: tmp_path / "cache")
    return tmp_path


def caffemodel(path: Path, *heads: str, seed: int = 0) -> Path:
    """A narrow network in Caffe's format; the tag model has the published number of tags."""
    return write_caffemodel(path, SeededWeights(shapes(*heads, dimension=64, tags=TAGS), seed))


def tag_list(path: Path) -> Path:
    path.write_text(json.dumps([f"tag {i}" for i in range(TAGS - 3)] + ["safe", "questionable", "explicit"]))
    return path


def thresholds(path: Path) -> Path:
    np.savez(path, threshold=np.full((TAGS, 3), [0.2, 0.5, 0.9], np.float32))
    return path


def photo(path: Path, colour: str = "teal") -> Path:
    Image.linear_gradient("L").convert("RGB").save(path)
    image = Image.open(path).copy()
    image.paste(colour, (20, 20, 90, 200))
    image.save(path)
    return path


@pytest.fixture
def both(data: Path) -> None:
    """The feature model and the tag model of version 2.0, narrow."""
    import_weights(caffemodel(data / "illust2vec_ver200.caffemodel", "feature", "encode2"))
    import_weights(
        caffemodel(data / "illust2vec_tag_ver200.caffemodel", "tag", seed=1),
        companions=Companions(tag_list(data / "tag_list.json"), thresholds(data / "thresholds.npz")),
    )


def test_an_import_says_what_the_file_is(both: None, data: Path) -> None:
    feature, tagger = installed_models()
    assert (feature.name, feature.kind, feature.dimension, feature.tags) == (
        "i2v-v2",
        "i2v-feature",
        64,
        None,
    )
    assert (tagger.name, tagger.kind, tagger.dimension, tagger.tags) == ("i2v-v2-tags", "i2v-tag", None, TAGS)
    assert feature.source == "illust2vec_ver200.caffemodel"
    weights = (models.models_directory() / "i2v-v2" / "weights.safetensors").read_bytes()
    assert b"encode2" not in weights[:5000]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("illust2vec_ver100.caffemodel", "i2v-v1"),
        ("illust2vec_tag_ver200.caffemodel", "i2v-v2"),
        ("mine.pth", "i2v"),
    ],
)
def test_names_follow_the_files_of_the_release(file: str, name: str) -> None:
    assert default_name(Path(file)) == name


def test_the_same_weights_are_the_same_encoder_whatever_file_they_came_in(data: Path) -> None:
    weights = dict(SeededWeights(shapes("feature", dimension=64)))
    first = import_weights(caffemodel(data / "a.caffemodel", "feature"), name="first")[0]
    arrays: dict[str, Any] = {
        key.replace(".weight", "/W").replace(".bias", "/b"): array for key, array in weights.items()
    }
    np.savez(data / "b.npz", **arrays)
    second = import_weights(data / "b.npz", name="second")[0]
    assert first.weights_sha256 == second.weights_sha256
    assert first.source_sha256 != second.source_sha256


def test_a_collection_stores_vectors_and_tags_and_filters_by_them(both: None, data: Path) -> None:
    art = sample_directory() / "birds"
    birds = Collection.build(data / "c", [art], encoder="i2v-v2", tagger="i2v-v2-tags")
    assert birds.info().dimension == 64
    assert birds.info().tags >= 3
    with Image.open(art / birds.stored_path(0)) as image:
        expected = encode_images(load_encoder("i2v-v2"), [image.convert("RGB")]).vectors[0]
    np.testing.assert_allclose(birds.vectors([0])[0], expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())
    assert len(birds.search(0, top=50).hits) == 21
    rated = birds.store.ratings()
    best = max(rated, key=lambda name: float(rated[name][0]))
    hits = birds.search(1, top=50, rating=best, exclude_query=False).hits
    by_hand = [i for i in birds.ids if max(rated, key=lambda name: float(rated[name][i])) == best]
    assert sorted(hit.id for hit in hits) == by_hand
    limit = float(np.median(rated["explicit"]))
    hits = birds.search(1, top=50, max_explicit=limit, exclude_query=False).hits
    assert sorted(hit.id for hit in hits) == [i for i in birds.ids if rated["explicit"][i] <= limit]
    morph = birds.morph(0, 5, steps=2, max_explicit=limit)
    assert all(rated["explicit"][stop.id] <= limit for stop in morph.stops[1:-1])
    with pytest.raises(QueryError, match="has rating 'mild': its ratings are explicit, questionable, safe"):
        birds.search(0, rating="mild")
    again = Collection.build(data / "c", [art])
    assert again.report.extraction is not None
    assert again.report.extraction.unchanged == 22
    with pytest.raises(EncoderMismatchError, match=r"another encoder: id 'lite' instead of 'i2v-v2'"):
        Collection.build(data / "c", [art], encoder="lite")


def test_hamming_compares_the_signs_of_centred_vectors(both: None, data: Path) -> None:
    birds = Collection.build(
        data / "c", [sample_directory() / "birds"], encoder="i2v-v2", similarity="hamming"
    )
    found = birds.search(0, top=3, exclude_query=False).hits
    assert found[0].id == 0
    assert found[0].score == pytest.approx(1)


def test_the_tag_model_is_refused_where_features_are_needed_and_the_reverse(both: None, data: Path) -> None:
    with pytest.raises(EncoderError, match=r"'i2v-v2-tags' is a tag model.*--tagger i2v-v2-tags"):
        Collection.build(data / "c", [sample_directory() / "birds"], encoder="i2v-v2-tags")
    with pytest.raises(EncoderError, match="no tagger 'i2v-v2'; available: i2v-v2-tags, lite"):
        load_tagger("i2v-v2")


def test_a_file_with_both_heads_gives_two_models(data: Path) -> None:
    torch = pytest.importorskip("torch")
    weights = SeededWeights(shapes("feature", "tag", dimension=64, tags=TAGS))
    names = {"conv6_4": "tag_classifier.conv6_4", "encode1": "encode1"}
    state = {}
    for key, array in weights.items():
        layer, part = key.split(".")
        state[f"{names.get(layer, f'block.{layer}')}.{part}"] = torch.from_numpy(array)
    torch.save(state, data / "both.pth")
    cards = import_weights(
        data / "both.pth", name="mine", companions=Companions(tag_list(data / "tag_list.json"))
    )
    assert [card.name for card in cards] == ["mine", "mine-tags"]


def test_the_wrong_list_of_tags_and_a_taken_name_are_refused(both: None, data: Path) -> None:
    file = data / "illust2vec_tag_ver200.caffemodel"
    with pytest.raises(TagError, match="give its tag list with --tags"):
        import_weights(file, name="other")
    (data / "short.json").write_text(json.dumps({"general": ["a", "b"]}))
    with pytest.raises(TagError, match="1539"):
        import_weights(file, name="other", companions=Companions(data / "short.json"))
    with pytest.raises(EncoderError, match="exists; choose another --name"):
        import_weights(file, companions=Companions(data / "tag_list.json"))
    assert [card.name for card in installed_models()] == ["i2v-v2", "i2v-v2-tags"]
    assert sorted(path.name for path in models.models_directory().iterdir()) == ["i2v-v2", "i2v-v2-tags"]


def test_a_configuration_is_checked_and_a_mean_image_replaces_the_mean(data: Path) -> None:
    file = caffemodel(data / "net.caffemodel", "feature")
    (data / "net.prototxt").write_text(prototxt(SeededWeights(shapes("feature", dimension=64))))
    (data / "wrong.prototxt").write_text(prototxt(SeededWeights(shapes("feature", dimension=32))))
    generator = np.random.default_rng(0)
    write_binaryproto(
        data / "mean.binaryproto", generator.uniform(100, 200, (3, 224, 224)).astype(np.float32)
    )
    with pytest.raises(WeightsError, match="encode1"):
        import_weights(file, name="x", companions=Companions(prototxt=data / "wrong.prototxt"))
    plain = import_weights(file, name="plain", companions=Companions(prototxt=data / "net.prototxt"))[0]
    meant = import_weights(file, name="meant", companions=Companions(mean=data / "mean.binaryproto"))[0]
    assert plain.preprocessing != meant.preprocessing
    image = Image.open(photo(data / "a.png"))
    first, second = (encode_images(load_encoder(name), [image]).vectors for name in ("plain", "meant"))
    assert not np.allclose(first, second)


def test_a_changed_model_file_is_refused_and_a_removed_model_is_gone(both: None) -> None:
    file = models.models_directory() / "i2v-v2" / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(EncoderError, match="differs from its checksum; run: i2v-search models remove i2v-v2"):
        load_encoder("i2v-v2")
    remove_model("i2v-v2")
    assert find_model("i2v-v2") is None
    with pytest.raises(EncoderError, match="no encoder 'i2v-v2'"):
        load_encoder("i2v-v2")
    for name in ("../i2v-v2-tags", "", "nothing"):
        with pytest.raises(EncoderError):
            remove_model(name)


# --- the original API


def test_the_original_api_gives_the_original_shapes(data: Path) -> None:
    net, param = data / "tag.prototxt", caffemodel(data / "tag.caffemodel", "tag")
    net.write_text(prototxt(SeededWeights(shapes("tag", tags=TAGS))))
    illust2vec = i2v.make_i2v_with_caffe(
        str(net), str(param), str(tag_list(data / "tag_list.json")), str(thresholds(data / "threshold.npz"))
    )
    img = Image.open(photo(data / "a.png"))
    (found,) = illust2vec.estimate_plausible_tags([img], threshold=0.5)
    assert list(found) == ["general", "character", "copyright", "rating"]
    assert len(found["rating"]) == 3
    values = [probability for _, probability in found["general"]]
    assert values == sorted(values, reverse=True)
    assert min(values) > 0.5
    by_rule = [illust2vec.estimate_plausible_tags([img], threshold_rule=rule)[0] for rule in RULES[1:]]
    assert len(by_rule[0]["general"]) >= len(by_rule[1]["general"]) >= len(by_rule[2]["general"])
    (top,) = illust2vec.estimate_top_tags([img], n_tag=7)
    assert [len(top[category]) for category in ("general", "character", "copyright")] == [7, 7, 7]
    (chosen,) = illust2vec.estimate_specific_tags([img], ["safe", "tag 3"])
    assert list(chosen) == ["safe", "tag 3"]
    assert dict(found["rating"])["safe"] == pytest.approx(chosen["safe"])
    with pytest.raises(EncoderError, match=r"no layer 'encode1'.*illust2vec_ver200\.caffemodel"):
        illust2vec.extract_feature([img])


def test_the_example_of_the_original_readme_runs(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    page = (ROOT / "docs" / "original.md").read_text(encoding="utf-8")
    example = page[page.index("from i2v_search import i2v  # was") :].partition("```")[0]
    names = [f"tag {i}" for i in range(TAGS - 5)]
    names = ["1girl", "blue eyes", *names, "safe", "questionable", "explicit"]
    Path("tag_list.json").write_text(json.dumps(names))
    for name, head, file in (
        ("illust2vec_tag", "tag", "illust2vec_tag_ver200"),
        ("illust2vec", "feature", "illust2vec_ver200"),
    ):
        caffemodel(data / f"{file}.caffemodel", head)
        weights = SeededWeights(shapes(head, dimension=64, tags=TAGS))
        Path(f"{name}.prototxt").write_text(prototxt(weights))
    Path("images").mkdir()
    photo(Path("images/miku.jpg"))
    found: list[Any] = []
    answers = re.compile(r"^(illust2vec\.(?:estimate|extract)\w+\(.*\))(?:  #.*)?$", re.MULTILINE)
    exec(answers.sub(r"found.append(\1)", example), {"found": found})
    plausible, specific, feature, code = found
    assert set(plausible[0]) == {"general", "character", "copyright", "rating"}
    assert set(specific[0]) == {"1girl", "blue eyes", "safe"}
    assert feature.shape == (1, 64)
    assert code.shape == (1, 8)


def test_the_original_api_extracts_features_and_codes(data: Path) -> None:
    file = caffemodel(data / "feature.caffemodel", "feature", "encode2")
    illust2vec = i2v.make_i2v_with_chainer(str(file))
    img = Image.open(photo(data / "a.png"))
    images = [img, img.convert("L"), np.asarray(img), str(data / "a.png")] * 3
    features = illust2vec.extract_feature(images)
    assert features.shape == (12, 64)
    assert features.dtype == np.float32
    assert features.min() < 0 < features.max()
    assert np.array_equal(features[0], features[2])
    assert np.array_equal(illust2vec.extract_feature(img), features[:1])
    codes = illust2vec.extract_binary_feature(images)
    assert codes.shape == (12, 8)
    assert np.array_equal(codes, np.packbits(features > 0, axis=1))
    with pytest.raises(EncoderError, match="load the tag model"):
        illust2vec.estimate_top_tags([img])


def test_the_pytorch_port_reads_a_state_dict_and_refuses_a_pickled_module(data: Path) -> None:
    torch = pytest.importorskip("torch")
    state = {k: torch.from_numpy(v) for k, v in SeededWeights(shapes("feature", dimension=64)).items()}
    torch.save(state, data / "state.pth")
    ported = i2v.make_i2v_with_pytorch("unused.py", str(data / "state.pth"))
    caffe = i2v.make_i2v_with_chainer(str(caffemodel(data / "f.caffemodel", "feature")))
    img = Image.open(photo(data / "a.png"))
    assert np.array_equal(ported.extract_feature([img]), caffe.extract_feature([img]))
    torch.save(torch.nn.Linear(2, 2), data / "module.pth")
    with pytest.raises(WeightsError, match="state_dict"):
        i2v.make_i2v_with_pytorch(None, str(data / "module.pth"))


# --- eight bits


def test_an_int8_copy_is_an_encoder_of_its_own_with_its_recall(both: None, data: Path) -> None:
    art = [sample_directory() / name for name in ("birds", "cats-and-dogs")]
    shown = run("models", "quantize", "i2v-v2", *art, "--json")
    made = json.loads(shown)
    assert made["images"] == 40
    assert 0.5 < made["recall_at_10"] <= 1
    assert made["cosine"] > 0.95
    card = find_model("i2v-v2-int8")
    assert card is not None
    assert card.precision == "int8"
    assert card.weights_sha256 != find_model("i2v-v2").weights_sha256  # type: ignore[union-attr]
    collection = Collection.build(data / "c", art[:1], encoder="i2v-v2-int8")
    with pytest.raises(EncoderMismatchError, match="'i2v-v2' instead of 'i2v-v2-int8'"):
        Collection.build(data / "c", art[:1], encoder="i2v-v2")
    assert collection.info().dimension == 64
    with pytest.raises(EncoderError, match="not an imported float32 feature model"):
        run_error("models", "quantize", "i2v-v2-tags", *art)


def test_twenty_images_are_enough_for_eight_bits_and_nineteen_are_not(both: None, data: Path) -> None:
    art = draw_folder(data / "art", 19)
    (art / "bad.png").write_bytes(b"no picture")
    with pytest.raises(EncoderError, match="19 images could be read; give at least 20"):
        quantize_model("i2v-v2", [art])
    assert find_model("i2v-v2-int8") is None
    draw_folder(art, 1, first=19)
    made = quantize_model("i2v-v2", [art])
    assert made.images == 20
    assert 0.5 < made.recall_at_10 <= 1


# --- any other ONNX model


@pytest.mark.parametrize("batch", ["n", 1, 4])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_an_onnx_model_gets_the_input_it_was_described_with(data: Path, layout: Any, batch: Any) -> None:
    file = mean_colours(data / "m.onnx", layout=layout, batch=batch)
    description = OnnxDescription(
        size=16,
        layout=layout,
        channels="BGR",
        scale=2,
        mean=(1, 2, 3),
        std=(2, 4, 8),
        resize="pad",
        output="vector",
        tag_output="scores",
    )
    card = import_onnx(file, name="means", description=description, tags=colour_tags(data / "tags.csv"))
    assert (card.dimension, card.tags) == (3, 3)
    encoder = load_encoder("means")
    found = encode_images(encoder, [Image.new("RGB", (30, 30), (10, 100, 200))] * 6)
    blue, green, red = (200 / 2 - 1) / 2, (100 / 2 - 2) / 4, (10 / 2 - 3) / 8
    np.testing.assert_allclose(found.vectors, [[blue, green, red]] * 6, rtol=1e-4)
    assert found.tags is not None
    np.testing.assert_allclose(found.tags, found.vectors / 255, rtol=1e-4)
    tall = encode_images(encoder, [Image.new("RGB", (8, 32), (0, 0, 0))]).vectors[0, 0]
    assert tall == pytest.approx(((0.25 * 0 + 0.75 * 255) / 2 - 1) / 2, rel=0.02)


def test_an_onnx_tagger_tags_a_collection(data: Path) -> None:
    description = OnnxDescription(size=16, layout="NHWC", channels="BGR", tag_output="scores")
    import_onnx(
        mean_colours(data / "m.onnx", layout="NHWC"),
        name="wd",
        description=description,
        tags=colour_tags(data / "tags.csv"),
    )
    art = data / "art"
    art.mkdir()
    for name, colour in (("sea", "blue"), ("leaf", "lime")):
        Image.new("RGB", (40, 40), colour).save(art / f"{name}.png")
    collection = Collection.build(data / "c", [art], tagger="wd")
    assert collection.search(0, tags="blue", exclude_query=False).hits[0].path == "sea.png"
    Collection.build(data / "d", [art])
    with pytest.raises(EncoderMismatchError, match="another tagger"):
        Collection.build(data / "d", [art], tagger="wd")
    with pytest.raises(EncoderError, match="'wd' is a tag model"):
        load_encoder("wd")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": "nothing", "tag_output": None}, "no output 'nothing'; available: vector, scores"),
        ({"output": None, "tag_output": None}, "--output for vectors, --tag-output for tags"),
    ],
)
def test_a_wrong_description_is_refused(data: Path, changes: dict[str, Any], message: str) -> None:
    description = OnnxDescription(**{"size": 16, **changes})
    with pytest.raises(EncoderError, match=message):
        import_onnx(mean_colours(data / "m.onnx", layout="NCHW"), name="m", description=description)
    assert installed_models() == []


@pytest.mark.parametrize("content", [b"", b"not an onnx model", b"\x08\x08" + b"\xff" * 50])
def test_a_damaged_onnx_model_is_refused(data: Path, content: bytes) -> None:
    (data / "bad.onnx").write_bytes(content)
    with pytest.raises(EncoderError):
        import_onnx(data / "bad.onnx", name="bad", description=OnnxDescription(size=16, output="vector"))
    assert installed_models() == []


# --- the command line


def run(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def run_error(*arguments: str | Path) -> None:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is not None
    raise done.exception


def test_models_and_tag_on_the_command_line(data: Path) -> None:
    tag_list(data / "tags.json")
    shown = run(
        "models",
        "import",
        caffemodel(data / "illust2vec_tag_ver100.caffemodel", "tag"),
        "--tags",
        data / "tags.json",
    )
    assert "--tagger i2v-v1-tags" in shown
    assert "i2v-v1-tags" in run("models", "list")
    assert json.loads(run("models", "info", "i2v-v1-tags", "--json"))["tags"] == TAGS
    art = data / "art"
    shutil.copytree(sample_directory() / "dinosaurs", art)
    (art / "bad.png").write_bytes(b"?")
    lines = [json.loads(line) for line in run("tag", art, "--json", "--top", "2").splitlines()]
    assert len(lines) == 14
    assert [len(lines[0][key]) for key in ("general", "character", "copyright", "rating")] == [2, 2, 2, 3]
    table = list(csv.reader(io.StringIO(run("tag", art, "--csv", "--top", "1"))))
    assert table[0] == ["path", "category", "tag", "probability"]
    assert len(table) == 1 + 14 * 6
    assert "rating" in run("tag", art, "--sidecar", "--top", "1")
    sidecars = sorted(art.glob("*.txt"))
    assert len(sidecars) == 14
    assert sidecars[0].read_text().count(",") == 2
    run("models", "remove", "i2v-v1-tags")
    assert "No imported models" in run("models", "list")


def test_an_onnx_model_on_the_command_line(data: Path) -> None:
    file, tags = mean_colours(data / "model.onnx", layout="NHWC"), colour_tags(data / "selected_tags.csv")
    run(
        *(
            "models",
            "import",
            file,
            "--name",
            "wd",
            "--input-size",
            "16",
            "--layout",
            "NHWC",
            "--channels",
            "BGR",
        ),
        *(
            "--resize",
            "pad",
            "--mean",
            "0",
            "--std",
            "1,1,1",
            "--tag-output",
            "scores",
            "--tags",
            tags,
            "--logits",
        ),
    )
    card = find_model("wd")
    assert card is not None
    assert card.onnx is not None
    assert (card.onnx.layout, card.onnx.resize, card.onnx.activation) == ("NHWC", "pad", "sigmoid")


def test_weights_in_a_zip_bomb_are_refused(data: Path) -> None:
    with zipfile.ZipFile(data / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conv1_1/W.npy", b"\x93NUMPY\x01\x00" + bytes(2**26))
    with pytest.raises(WeightsError):
        import_weights(data / "bomb.npz", name="bomb")
