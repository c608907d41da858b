"""ONNX models of strangers: what they take is given where it can be, and all else is one error that helps."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import GraphProto, TensorProto, helper, numpy_helper
from onnx_files import add_output, colour_tags, mean_colours, with_branch, with_endless_loop, with_text_input
from PIL import Image
from typer.testing import CliRunner

from i2v_search import Collection, load_encoder, load_tagger
from i2v_search.cli.main import app
from i2v_search.encoders.base import EncoderInfo, encode_images
from i2v_search.encoders.importing import import_folder, import_onnx
from i2v_search.encoders.model_card import OnnxDescription
from i2v_search.encoders.model_folder import broken_models, find_model, installed_models, new_model
from i2v_search.encoders.networks.runtime import onnx_session, run_session
from i2v_search.encoders.onnx import OnnxModel
from i2v_search.encoders.registry import encoder_names
from i2v_search.errors import EncoderError, TagError

pytestmark = pytest.mark.integration

VECTOR = OnnxDescription(size=16, output="vector")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of imported models, this test's own."""
    folder = tmp_path / "models"
    monkeypatch.setenv("I2V_SEARCH_MODELS", str(folder))
    return folder


def refused(file: Path, message: str, description: OnnxDescription = VECTOR) -> None:
    """Importing it says so and leaves nothing."""
    with pytest.raises(EncoderError, match=message) as caught:
        import_onnx(file, name="m", description=description)
    assert "\n" not in str(caught.value)
    assert installed_models() == []
    folder = Path(os.environ["I2V_SEARCH_MODELS"])
    assert not folder.exists() or not list(folder.iterdir())


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


# --- what can be given


@pytest.mark.parametrize("dtype", ["FLOAT16", "DOUBLE", "UINT8", "INT32", "INT64"])
def test_pixels_become_what_the_input_is_made_of(tmp_path: Path, dtype: str) -> None:
    file = mean_colours(tmp_path / "m.onnx", layout="NHWC", dtype=TensorProto.DataType.Value(dtype))
    description = OnnxDescription(size=16, layout="NHWC", output="vector", tag_output="scores")
    card = import_onnx(file, name="m", description=description, tags=colour_tags(tmp_path / "tags.csv"))
    assert (card.dimension, card.tags) == (3, 3)
    found = encode_images(load_encoder("m"), [Image.new("RGB", (20, 20), (10, 100, 250))] * 3)
    assert found.vectors.dtype == np.float32
    np.testing.assert_allclose(found.vectors, [[10, 100, 250]] * 3, rtol=2e-3)
    assert found.tags is not None
    assert found.tags.dtype == np.float32
    np.testing.assert_allclose(found.tags, found.vectors / 255, rtol=2e-3)


def test_whole_numbers_are_taken_as_they_are(tmp_path: Path) -> None:
    file = mean_colours(tmp_path / "m.onnx", dtype=TensorProto.UINT8)
    for change in ({"scale": 255}, {"mean": (1, 0, 0)}, {"std": (1, 1, 2)}):
        refused(
            file,
            r"input is a tensor\(uint8\), for raw pixels 0..255; omit --scale",
            VECTOR.model_copy(update=change),
        )


def test_a_text_input_is_cut_off_where_the_image_does_not_need_it(tmp_path: Path, place: Path) -> None:
    file = mean_colours(tmp_path / "clip.onnx", change=with_text_input)
    import_onnx(file, name="clip", description=VECTOR)
    found = encode_images(load_encoder("clip"), [Image.new("RGB", (20, 20), (10, 100, 250))] * 2)
    np.testing.assert_allclose(found.vectors, [[10, 100, 250]] * 2, rtol=1e-5)
    kept = onnx.load(place / "clip" / "model.onnx")
    onnx.checker.check_model(kept)
    assert [entry.name for entry in kept.graph.input] == ["pixels"]
    assert [node.op_type for node in kept.graph.node] == ["Cast", "ReduceMean"]
    assert not kept.graph.initializer


def test_what_a_branch_reads_from_around_it_is_kept(tmp_path: Path) -> None:
    def change(graph: GraphProto) -> None:
        with_branch(graph)
        with_text_input(graph)

    import_onnx(mean_colours(tmp_path / "m.onnx", change=change), name="m", description=VECTOR)
    found = encode_images(load_encoder("m"), [Image.new("RGB", (20, 20), (10, 100, 250))])
    np.testing.assert_allclose(found.vectors, [[10, 100, 250]], rtol=1e-5)


def test_an_output_that_needs_the_text_is_refused_and_others_are_named(tmp_path: Path) -> None:
    file = mean_colours(tmp_path / "m.onnx", change=with_text_input)
    refused(
        file,
        "similarity needs the inputs input_ids, pixels, but only the image is available; choose one that "
        "needs a single input: vector, scores, words",
        OnnxDescription(size=16, output="similarity"),
    )
    refused(file, "no output 'nothing'; available: vector", OnnxDescription(size=16, output="nothing"))
    refused(file, r"\(n, 77\), not a batch of images", OnnxDescription(size=16, output="words"))


def test_an_output_without_its_batch_axis_is_one_image(tmp_path: Path) -> None:
    def squeeze(graph: GraphProto) -> None:
        graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "first"))
        graph.node.append(helper.make_node("Squeeze", ["vector", "first"], ["flat"]))
        add_output(graph, "flat", [3])

    file = mean_colours(tmp_path / "m.onnx", batch=1, change=squeeze)
    import_onnx(file, name="m", description=OnnxDescription(size=16, output="flat"))
    colours = [(10, 100, 250), (1, 2, 3)]
    found = encode_images(load_encoder("m"), [Image.new("RGB", (20, 20), colour) for colour in colours])
    np.testing.assert_allclose(found.vectors, colours, rtol=1e-5)


# --- what cannot


@pytest.mark.parametrize(
    ("model", "described", "message"),
    [
        (
            {"layout": "NHWC"},
            {},
            r"is \(n, 16, 16, 3\), the .* says \(n, 3, 16, 16\): give --layout NHWC --input-size 16",
        ),
        ({}, {"layout": "NHWC"}, "give --layout NCHW --input-size 16"),
        ({"size": 24}, {}, "give --layout NCHW --input-size 24"),
        ({"size": 24, "layout": "NHWC"}, {}, "give --layout NHWC --input-size 24"),
        ({"batch": 0}, {}, "a batch of 0 images; export it with a dynamic batch"),
        ({"dtype": TensorProto.BFLOAT16}, {}, "export it with float32|ONNX Runtime cannot load"),
        ({"dtype": TensorProto.BOOL}, {}, r"input is a tensor\(bool\).*export it with float32"),
    ],
)
def test_another_input_than_described_is_refused_with_what_to_give(
    tmp_path: Path, model: dict[str, Any], described: dict[str, Any], message: str
) -> None:
    refused(mean_colours(tmp_path / "m.onnx", **model), message, VECTOR.model_copy(update=described))


@pytest.mark.parametrize("shape", [["n", 3, 16, 24], ["n", 1, 16, 16], ["n", 4, 16, 16]])
def test_models_of_other_than_square_colour_images_are_refused(tmp_path: Path, shape: list[Any]) -> None:
    def change(graph: GraphProto) -> None:
        graph.input[0].CopyFrom(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape))
        del graph.output[:]
        add_output(graph, "vector", None)

    refused(mean_colours(tmp_path / "m.onnx", change=change), "only square images of 3 channels")


def test_free_axes_fit_every_description(tmp_path: Path) -> None:
    def change(graph: GraphProto) -> None:
        graph.input[0].CopyFrom(
            helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, "h", "w"])
        )

    file = mean_colours(tmp_path / "m.onnx", change=change)
    assert import_onnx(file, name="m", description=VECTOR.model_copy(update={"size": 32})).dimension == 3


def test_an_output_too_long_for_a_vector_is_refused_and_the_list_still_works(tmp_path: Path) -> None:
    def change(graph: GraphProto) -> None:
        graph.node.append(helper.make_node("Flatten", ["floats"], ["whole"]))
        add_output(graph, "whole", ["n", 3 * 160 * 160])

    file = mean_colours(tmp_path / "m.onnx", size=160, change=change)
    refused(
        file,
        "'whole' has 76800 numbers per image, the limit is 65536; choose .* pooled .*it has vector",
        OnnxDescription(size=160, output="whole"),
    )
    assert "No imported models" in run("models", "list").stdout


def strings(graph: GraphProto) -> None:
    graph.node.append(helper.make_node("Cast", ["vector"], ["bad"], to=TensorProto.STRING))
    add_output(graph, "bad", ["n", 3], TensorProto.STRING)


def one_row(graph: GraphProto) -> None:
    graph.node.append(helper.make_node("ReduceMean", ["vector"], ["bad"], axes=[0], keepdims=1))
    add_output(graph, "bad", [1, 3])


def one_image_only(graph: GraphProto) -> None:
    graph.initializer.append(numpy_helper.from_array(np.array([1, 3], np.int64), "fixed"))
    graph.node.append(helper.make_node("Reshape", ["vector", "fixed"], ["bad"]))
    add_output(graph, "bad", [1, 3])


def too_much_memory(graph: GraphProto) -> None:
    graph.initializer.append(numpy_helper.from_array(np.array([2**28, 2**24], np.int64), "huge"))
    graph.node.append(helper.make_node("ConstantOfShape", ["huge"], ["zeros"]))
    graph.node.append(helper.make_node("ReduceMean", ["zeros"], ["nothing"]))
    graph.node.append(helper.make_node("Add", ["vector", "nothing"], ["bad"]))
    add_output(graph, "bad", ["n", 3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (strings, "'bad' does not hold numbers; choose another"),
        (one_row, r"'bad' has shape \(1, 3\) for 2 images, not one row per image"),
        (one_image_only, "ONNX Runtime cannot run the model: .*Reshape"),
        (too_much_memory, "ONNX Runtime cannot (run|load) the model: "),
    ],
)
def test_an_output_that_is_no_row_of_numbers_for_each_image_is_refused(
    tmp_path: Path, change: Callable[[GraphProto], None], message: str
) -> None:
    file = mean_colours(tmp_path / "m.onnx", change=change)
    refused(file, f"m.onnx cannot be used: .*{message}", OnnxDescription(size=16, output="bad"))


def test_a_failure_while_a_collection_is_built_is_an_error_of_the_library(tmp_path: Path) -> None:
    """The graph fails for white images only; here nothing tried it before."""

    def change(graph: GraphProto) -> None:
        graph.initializer.append(numpy_helper.from_array(np.zeros((250, 1), np.float32), "rows"))
        graph.node.append(helper.make_node("ReduceMax", ["vector"], ["most"], axes=[1], keepdims=0))
        graph.node.append(helper.make_node("Cast", ["most"], ["row"], to=TensorProto.INT64))
        graph.node.append(helper.make_node("Gather", ["rows", "row"], ["bad"]))
        add_output(graph, "bad", ["n", 1])

    file = mean_colours(tmp_path / "m.onnx", change=change)
    encoder = OnnxModel(EncoderInfo("m", "0" * 64, "m", 1), file, OnnxDescription(size=16, output="bad"))
    Image.new("RGB", (20, 20), "white").save(tmp_path / "white.png")
    with pytest.raises(EncoderError, match=r"ONNX Runtime cannot run the model: .*Gather") as caught:
        Collection.build(tmp_path / "c", [tmp_path / "white.png"], encoder=encoder)
    assert "\n" not in str(caught.value)


def test_other_errors_than_those_of_onnx_runtime_stay_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are faults of this program or this machine, which no other model mends."""
    session = onnx_session(mean_colours(tmp_path / "m.onnx"))
    with pytest.raises(ValueError, match="pixels"):
        run_session(session, None, {})

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("onnxruntime.InferenceSession", fail)
    with pytest.raises(MemoryError):
        onnx_session(tmp_path / "m.onnx")


def test_a_model_that_never_ends_is_given_up(tmp_path: Path) -> None:
    file = mean_colours(tmp_path / "m.onnx", change=with_endless_loop)
    with pytest.raises(EncoderError, match=r"did not finish two images in 8 s; .*--seconds"):
        import_onnx(file, name="m", description=VECTOR, seconds=8)
    assert installed_models() == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_import_leaves_no_process_and_no_files_that_the_next_does_not_sweep(
    tmp_path: Path, place: Path, how: signal.Signals
) -> None:
    file = mean_colours(tmp_path / "m.onnx", change=with_endless_loop)
    script = "from i2v_search.cli.main import main; main()"
    options = ["--name", "m", "--input-size", "16", "--output", "vector"]
    command = [sys.executable, "-c", script, "models", "import", str(file), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        trial = wait_for(lambda: child_of(process.pid))
        wait_for(lambda: b"onnxruntime" in Path(f"/proc/{trial}/maps").read_bytes())
        process.send_signal(how)
        _, errors = process.communicate(timeout=240)
    assert process.returncode != 0
    assert "Traceback" not in errors
    wait_for(lambda: not Path(f"/proc/{trial}").exists())
    if how != signal.SIGINT:  # killed at once: it could clear nothing away
        with new_model("next") as folder:
            (folder / "model.json").write_text("{}")
        shutil.rmtree(place / "next")
    assert not list(place.iterdir())


def child_of(process: int) -> int | None:
    if not Path("/proc/self/task").exists():
        pytest.skip("needs /proc")
    children = Path(f"/proc/{process}/task/{process}/children")
    return next(map(int, children.read_text().split()), None)


def wait_for(found: Callable[[], Any]) -> Any:
    """What `found` returns once it is true; fails after a minute."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.01)
    raise AssertionError("waited for a minute")


# --- the directory of models


def test_one_broken_model_does_not_hide_the_others(tmp_path: Path, place: Path) -> None:
    import_onnx(mean_colours(tmp_path / "m.onnx"), name="good", description=VECTOR)
    for name, content in (("empty", "{}"), ("long", "")):
        (place / name).mkdir()
        (place / name / "model.json").write_text(content)
    card = json.loads((place / "good" / "model.json").read_text())
    (place / "long" / "model.json").write_text(json.dumps({**card, "name": "long", "dimension": 10**6}))
    assert [found.name for found in installed_models()] == ["good"]
    assert "good" in encoder_names()
    assert len(broken_models()) == 2
    shown = run("models", "list")
    assert shown.exit_code == 0
    assert "good" in shown.stdout
    for name in ("empty", "long"):
        assert f"is not a valid model card; run: i2v-search models remove {name}" in shown.stderr
        with pytest.raises(EncoderError, match=f"run: i2v-search models remove {name}"):
            find_model(name)
        assert run("models", "remove", name).exit_code == 0
    assert broken_models() == []


def test_what_killed_imports_left_is_swept(place: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with new_model("first") as mine:
        (mine / "model.json").write_text("{}")
        left = mine.with_name(mine.name.replace(f".{os.getpid()}.", f".{gone.pid}."))
        elsewhere, old = place / f".x.other-machine.{gone.pid}.tmp", place / ".y.other-machine.1.tmp"
        for folder in (left, elsewhere, old):
            folder.mkdir()
        os.utime(old, (0, 0))
        with new_model("second"):
            assert mine.exists()
            assert not left.exists()
            assert elsewhere.exists()
            assert not old.exists()


def test_a_copied_model_is_itself(tmp_path: Path, place: Path) -> None:
    import_onnx(mean_colours(tmp_path / "m.onnx"), name="one", description=VECTOR)
    shutil.copytree(place / "one", place / "two")
    shutil.rmtree(place / "one")
    assert load_encoder("two").info.id == "two"


def test_a_folder_of_another_kind_is_not_replaced(tmp_path: Path, place: Path) -> None:
    (place / "m").mkdir(parents=True)
    with pytest.raises(EncoderError, match=f"'m' exists; choose another --name, or delete {place / 'm'}"):
        import_onnx(mean_colours(tmp_path / "m.onnx"), name="m", description=VECTOR)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--input-size", "5000"), "--input-size: Input should be less than or equal to 4096, not 5000"),
        (("--input-size", "16", "--scale", "0"), "--scale: Input should be greater than 0, not 0"),
        (("--input-size", "16", "--std", "1,0,1"), "--std: Input should be greater than 0, not 0"),
        (("--input-size", "16", "--mean", "nan"), "--mean: Input should be a finite number, not nan"),
    ],
)
def test_numbers_that_make_no_input_are_refused(
    tmp_path: Path, options: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    file = mean_colours(tmp_path / "m.onnx")
    found = run("models", "import", file, "--name", "m", *options, "--output", "vector")
    assert found.exit_code == 2
    assert message in found.stderr


def test_a_foreign_model_without_a_description_is_told_how_to_describe_it(tmp_path: Path) -> None:
    found = run("models", "import", mean_colours(tmp_path / "m.onnx"), "--name", "m")
    assert "describe another model with --input-size" in str(found.exception)


# --- outputs that need a step more


def with_tokens(graph: GraphProto) -> None:
    """An output (n, 2, 3) as vision transformers have it: a first token, the mean colour, and its double."""
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    graph.node.extend(
        [
            helper.make_node("Unsqueeze", ["vector", "axis"], ["one"]),
            helper.make_node("Add", ["one", "one"], ["two"]),
            helper.make_node("Concat", ["one", "two"], ["last_hidden_state"], axis=1),
        ]
    )
    add_output(graph, "last_hidden_state", ["n", 2, 3])


@pytest.mark.parametrize(("pooling", "times"), [("cls", 1), ("mean", 1.5)])
def test_the_tokens_of_an_output_become_one_vector(tmp_path: Path, pooling: Any, times: float) -> None:
    description = OnnxDescription(size=16, output="last_hidden_state", pooling=pooling, tag_output="scores")
    file = mean_colours(tmp_path / "m.onnx", change=with_tokens)
    import_onnx(file, name="dino", description=description, tags=colour_tags(tmp_path / "tags.csv"))
    found = encode_images(load_encoder("dino"), [Image.new("RGB", (20, 20), (10, 100, 200))] * 2)
    np.testing.assert_allclose(found.vectors, np.array([[10, 100, 200]] * 2) * times, rtol=1e-5)
    assert found.tags is not None
    np.testing.assert_allclose(found.tags, np.array([[10, 100, 200]] * 2) / 255, rtol=1e-5)


def test_an_output_without_tokens_has_nothing_to_pool(tmp_path: Path) -> None:
    refused(
        mean_colours(tmp_path / "m.onnx"),
        r"'vector' has shape \(2, 3\), nothing to pool: omit --pooling",
        VECTOR.model_copy(update={"pooling": "cls"}),
    )


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.FLOAT16])
@pytest.mark.parametrize("activation", ["none", "sigmoid", "softmax"])
def test_a_tag_head_is_activated(tmp_path: Path, activation: Any, dtype: int) -> None:
    """With numbers so large that the plain formulas overflow."""
    description = OnnxDescription(size=16, tag_output="vector", activation=activation)
    file = mean_colours(tmp_path / "m.onnx", dtype=dtype)
    import_onnx(file, name="head", description=description, tags=colour_tags(tmp_path / "tags.csv"))
    tagger = load_tagger("head")
    for colour in ((250, 0, 1), (3, 2, 1)):
        values = np.array(colour, np.float64)
        odds = np.exp(values - values.max())
        expected = {"none": values, "sigmoid": 1 / (1 + np.exp(-values)), "softmax": odds / odds.sum()}
        found = tagger.tag([tagger.prepare(Image.new("RGB", (20, 20), colour))])
        np.testing.assert_allclose(found[0], expected[activation], rtol=2e-3, atol=1e-6)


def test_thresholds_without_tags_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TagError, match="--thresholds belong to tags"):
        import_onnx(mean_colours(tmp_path / "m.onnx"), name="m", description=VECTOR, thresholds="0.3")


def test_thresholds_of_a_card_come_with_the_tagger(tmp_path: Path) -> None:
    description = OnnxDescription(size=16, tag_output="scores")
    import_onnx(
        mean_colours(tmp_path / "m.onnx"),
        name="wd",
        description=description,
        tags=colour_tags(tmp_path / "tags.csv"),
        thresholds="general=0.25,character=0.75",
    )
    Image.new("RGB", (20, 20), (100, 150, 250)).save(tmp_path / "a.png")
    lines = run("tag", tmp_path / "a.png", "--tagger", "wd", "--rule", "f1", "--json").stdout
    found = json.loads(lines)
    assert [tag["name"] if isinstance(tag, dict) else tag[0] for tag in found["general"]] == ["blue"]
    assert found["character"] == []


# --- weights in other files


def with_weights(graph: GraphProto) -> None:
    """Multiply the vector by weights, one of them inside a branch."""
    with_branch(graph)
    weights = [numpy_helper.from_array(np.array([2, 3, 4], np.float32), name) for name in ("first", "second")]
    graph.initializer.extend(weights)
    graph.node.append(helper.make_node("Mul", ["vector", "first"], ["times"]))
    graph.node.append(helper.make_node("Mul", ["times", "second"], ["weighted"]))
    add_output(graph, "weighted", ["n", 3])
    with_text_input(graph)


def outside(path: Path, **stated: str) -> Path:
    """The model with its weights in ``weights.bin``, or where `stated` says."""
    path.parent.mkdir(exist_ok=True)
    model = onnx.load(mean_colours(path, change=with_weights))
    weights = [tensor for tensor in model.graph.initializer if tensor.name in {"first", "second"}]
    content = b""
    for tensor in weights:
        place = {"location": "weights.bin", "offset": str(len(content)), "length": "12", **stated}
        content += tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in place.items():
            tensor.external_data.add(key=key, value=value)
    path.with_name("weights.bin").write_bytes(content)
    path.write_bytes(model.SerializeToString())
    return path


WEIGHTED = OnnxDescription(size=16, output="weighted")


def test_weights_beside_the_model_come_with_it(tmp_path: Path, place: Path) -> None:
    file = outside(tmp_path / "published" / "model.onnx")
    card = import_onnx(file, name="m", description=WEIGHTED)
    shutil.rmtree(file.parent)
    assert set(card.files) == {"model.onnx.data"}
    found = encode_images(load_encoder("m"), [Image.new("RGB", (20, 20), (10, 20, 30))]).vectors
    np.testing.assert_allclose(found, [[10 * 4, 20 * 9, 30 * 16]], rtol=1e-5)
    import_folder(place / "m", name="copy")
    again = encode_images(load_encoder("copy"), [Image.new("RGB", (20, 20), (10, 20, 30))]).vectors
    np.testing.assert_array_equal(again, found)


def test_other_weights_make_another_model(tmp_path: Path, place: Path) -> None:
    file = outside(tmp_path / "published" / "model.onnx")
    first = import_onnx(file, name="one", description=WEIGHTED)
    weights = file.with_name("weights.bin")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    second = import_onnx(file, name="two", description=WEIGHTED)
    assert first.source_sha256 == second.source_sha256
    assert first.weights_sha256 != second.weights_sha256
    copied = place / "one" / "model.onnx.data"
    copied.write_bytes(copied.read_bytes()[:-1] + b"\x01")
    with pytest.raises(EncoderError, match=r"model.onnx.data differs from its checksum"):
        load_encoder("one")


def test_weights_in_a_folder_of_the_models_folder_are_read(tmp_path: Path) -> None:
    file = outside(tmp_path / "published" / "model.onnx", location="data/weights.bin")
    (file.parent / "data").mkdir()
    file.with_name("weights.bin").rename(file.parent / "data" / "weights.bin")
    assert import_onnx(file, name="m", description=WEIGHTED).dimension == 3


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"location": "../weights.bin"}, "in '../weights.bin', outside its own folder"),
        ({"location": "data/../../weights.bin"}, "outside its own folder"),
        ({"location": "{here}/weights.bin"}, "outside its own folder"),
        ({"location": ""}, "in '', outside its own folder"),
        ({"location": "link.bin"}, "in 'link.bin', which is a link; put the file itself beside the model"),
        ({"location": "linked/weights.bin"}, "which is a link"),
        ({"location": "gone.bin"}, "which cannot be read .*put that file beside the model"),
        ({"location": "folder"}, "which cannot be read"),
        ({"offset": "20"}, r"'first' is said to be 12 bytes at 20 of weights.bin, which has 24"),
        (
            {"length": "25", "offset": "0"},
            "25 bytes at 0 of weights.bin, which has 24; the file is incomplete",
        ),
        ({"offset": "-4"}, "12 bytes at -4 of weights.bin"),
        ({"offset": "x"}, "-1 bytes at -1 of weights.bin"),
        ({"length": "11"}, "m.onnx|model.onnx cannot be used"),
    ],
)
def test_weights_elsewhere_are_refused(tmp_path: Path, stated: dict[str, str], message: str) -> None:
    folder = tmp_path / "published"
    stated = {key: value.format(here=tmp_path) for key, value in stated.items()}
    file = outside(folder / "model.onnx", **stated)
    (tmp_path / "weights.bin").write_bytes(bytes(24))
    (folder / "folder").mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    (folder / "linked").symlink_to(tmp_path)
    refused(file, message, WEIGHTED)


def test_weights_that_overlap_do_not_fill_the_disk(tmp_path: Path) -> None:
    """A small file can name the same bytes any number of times; the same place is copied once."""
    file = outside(tmp_path / "published" / "model.onnx", offset="0")
    card = import_onnx(file, name="m", description=WEIGHTED)
    assert card.dimension == 3
    model = onnx.load(file, load_external_data=False)
    for number, tensor in enumerate(tensor for tensor in model.graph.initializer if tensor.external_data):
        del tensor.external_data[:]
        for key, value in (("location", "weights.bin"), ("offset", str(4 * number)), ("length", "20")):
            tensor.external_data.add(key=key, value=value)
    file.write_bytes(model.SerializeToString())
    with pytest.raises(EncoderError, match="'second' is said to be 20 bytes at 4"):
        import_onnx(file, name="n", description=WEIGHTED)
