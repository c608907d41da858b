"""``train``: from tagged pictures to a model that encodes, tags, and can be trained on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from folders import SUPPORT
from PIL import Image
from small_training import ON_CPU, SETTINGS, WIDTHS, draw_set, small_set, train_small
from typer.testing import CliRunner

from i2v_search import Collection, load_encoder, load_tagger, sample_directory
from i2v_search.choices import Device, TrainingModel
from i2v_search.cli.main import app
from i2v_search.encoders.base import encode_images
from i2v_search.encoders.importing import import_folder, import_weights
from i2v_search.encoders.model_folder import find_model
from i2v_search.encoders.networks.runtime import TorchRuntime
from i2v_search.encoders.quantizing import quantize_model
from i2v_search.encoders.tensors import map_tensors
from i2v_search.encoders.trained import trained_network
from i2v_search.errors import EncoderError, TagError, TrainingError
from i2v_search.images.decoding import load_image
from i2v_search.training.augment import NO_AUGMENTATION
from i2v_search.training.datasets.dataset import Dataset, choose_vocabulary, read_dataset
from i2v_search.training.initial import Start, Widths, initial_weights, pretrained_lite, read_start
from i2v_search.training.run import train
from i2v_search.training.settings import TrainingSettings

TAG_SETTINGS = replace(SETTINGS, model="illustration2vec")


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data directory of the test's own."""
    monkeypatch.setenv("I2V_SEARCH_MODELS", str(tmp_path / "models"))


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return small_set(tmp_path_factory.mktemp("sets") / "drawings")


@pytest.fixture(scope="module")
def trained(drawings: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The feature model, trained without a break."""
    out = tmp_path_factory.mktemp("runs") / "My Drawings"
    train_small(drawings, out)
    return out


def pictures(drawings: Dataset, count: int = 6) -> list[Image.Image]:
    return [load_image(drawings.root / picture.path) for picture in drawings.pictures[:count]]


def weights_of(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


def test_a_run_leaves_a_model_a_report_and_curves(trained: Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == [
        "curves.png",
        "model.json",
        "model.onnx",
        "report.json",
        "tags.json",
        "thresholds.npy",
        "weights.safetensors",
    ]
    report = json.loads((trained / "report.json").read_text())
    assert report["name"] == "my-drawings"
    assert report["vocabulary"] == {"general": 6, "rating": 1}
    assert report["datasets"] == [
        {"name": "drawings", "pictures": 32, "training": 24, "validation": 8, "licences": {"CC0": 32}}
    ]
    assert [epoch["number"] for epoch in report["epochs"]] == [1, 2, 3]
    assert {"training_loss", "validation_loss", "validation_map", "seconds", "images_per_second"} <= set(
        report["epochs"][0]
    )
    assert report["settings"]["augmentation"]["flip"] == 0.5
    assert report["versions"]["torch"] == torch.__version__
    with Image.open(trained / "curves.png") as curves:
        assert len(set(curves.convert("RGB").resize((300, 100)).get_flattened_data())) > 10


def test_a_trained_folder_is_an_encoder_with_tags(trained: Path, drawings: Dataset, tmp_path: Path) -> None:
    encoder = load_encoder(os.fspath(trained), ON_CPU)
    encoding = encode_images(encoder, pictures(drawings))
    assert encoding.vectors.shape == (6, 16)
    assert encoding.tags is not None
    assert encoding.tags.shape == (6, 7)
    built = Collection.build(tmp_path / "art", [drawings.root], encoder=os.fspath(trained), device=ON_CPU)
    assert built.info().encoder == os.fspath(trained)
    assert len(Collection.open(tmp_path / "art").search(drawings.root / "003.png").hits) > 3


def test_a_trained_folder_is_a_tagger(trained: Path, drawings: Dataset) -> None:
    tagger = load_tagger(os.fspath(trained), ON_CPU)
    assert sorted(tagger.vocabulary.names) == ["blue", "circle", "green", "red", "safe", "square", "star"]
    assert tagger.vocabulary.thresholds is not None
    inputs = [tagger.prepare(image) for image in pictures(drawings)]
    encoding = load_encoder(os.fspath(trained), ON_CPU).encode(inputs)
    np.testing.assert_array_equal(tagger.tag(inputs), encoding.tags)


def test_onnx_runtime_computes_what_torch_does(trained: Path, drawings: Dataset) -> None:
    encoder = load_encoder(os.fspath(trained), ON_CPU)
    network = trained_network("illustration2vec-features")
    oracle = TorchRuntime(network, map_tensors(trained / "weights.safetensors"), "cpu")
    encoding = encode_images(encoder, pictures(drawings))
    encoder._runtime = oracle  # type: ignore[attr-defined]
    expected = encode_images(encoder, pictures(drawings))
    np.testing.assert_allclose(encoding.vectors, expected.vectors, atol=1e-4)
    assert encoding.tags is not None
    assert expected.tags is not None
    np.testing.assert_allclose(encoding.tags, expected.tags, atol=1e-4)


def test_a_trained_folder_can_be_imported_by_name(trained: Path, drawings: Dataset) -> None:
    card = import_folder(trained, name="mine")
    assert (card.name, card.kind, card.dimension, card.tags) == ("mine", "i2v-feature", 16, 7)
    mine = encode_images(load_encoder("mine", ON_CPU), pictures(drawings))
    folder = encode_images(load_encoder(os.fspath(trained), ON_CPU), pictures(drawings))
    np.testing.assert_array_equal(mine.vectors, folder.vectors)
    assert load_tagger("mine", ON_CPU).vocabulary.thresholds is not None


def test_its_weights_are_read_wherever_illustration2vecs_are(trained: Path) -> None:
    (card,) = import_weights(trained / "weights.safetensors", name="plain")
    assert (card.kind, card.dimension, card.tags) == ("i2v-feature", 16, None)


def test_an_8_bit_copy_of_it_gives_vectors_only(trained: Path, drawings: Dataset) -> None:
    import_folder(trained, name="mine")
    quantize_model("mine", [drawings.root])
    copy = find_model("mine-int8")
    assert copy is not None
    assert copy.tags is None
    assert encode_images(load_encoder("mine-int8", ON_CPU), pictures(drawings)).vectors.shape == (6, 16)


def test_a_changed_folder_is_refused(trained: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in trained.iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    content = bytearray(weights_of(changed))
    content[-1] ^= 1
    (changed / "weights.safetensors").write_bytes(content)
    with pytest.raises(EncoderError, match="differs from its checksum"):
        load_encoder(os.fspath(changed), ON_CPU)
    with pytest.raises(EncoderError, match="differs from its checksum"):
        import_folder(changed, name="mine")
    (changed / "model.json").write_text("{}")
    with pytest.raises(EncoderError, match="not a valid model card; train or copy it again"):
        load_tagger(os.fspath(changed), ON_CPU)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    trained: Path, drawings: Dataset, tmp_path: Path
) -> None:
    train_small(drawings, tmp_path / "again")
    assert weights_of(tmp_path / "again") == weights_of(trained)
    train_small(drawings, tmp_path / "other", replace(SETTINGS, seed=1))
    assert weights_of(tmp_path / "other") != weights_of(trained)


def test_a_run_killed_at_any_moment_ends_as_if_undisturbed(trained: Path, tmp_path: Path) -> None:
    folder, out, chance = draw_set(tmp_path / "drawings"), tmp_path / "run", random.Random()
    with _process(folder, out, "begin") as process:
        assert process.stdout is not None
        for _ in range(4):
            process.stdout.readline()
        time.sleep(chance.random() * 0.1)
        process.kill()
    assert (out / "checkpoint").is_dir()
    with _process(folder, out, "resume") as process:
        output, _ = process.communicate(timeout=240)
    assert output.endswith("done\n")
    assert weights_of(out) == weights_of(trained)


def _process(folder: Path, out: Path, how: str) -> subprocess.Popen[str]:
    script = os.fspath(SUPPORT / "small_training.py")
    command = [sys.executable, script, os.fspath(folder), os.fspath(out), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_tag_model_from_scratch_learns_its_pictures(drawings: Dataset, tmp_path: Path) -> None:
    settings = replace(TAG_SETTINGS, epochs=12, accumulate=1, augmentation=NO_AUGMENTATION, patience=0)
    widths = Widths((8, 12, 16, 16, 16, 16, 24, 24, 32, 32, 32))
    made = train([drawings], tmp_path / "tags", settings, widths=widths, device=ON_CPU)
    assert made.dimension is None
    assert made.epochs[-1]["training_loss"] < 0.7 * made.epochs[0]["training_loss"]
    assert load_tagger(os.fspath(tmp_path / "tags"), ON_CPU).vocabulary.names[:1]
    with pytest.raises(EncoderError, match="is a tag model"):
        load_encoder(os.fspath(tmp_path / "tags"), ON_CPU)


def test_training_goes_on_from_a_trained_folder(trained: Path, drawings: Dataset, tmp_path: Path) -> None:
    start = read_start(trained)
    assert start.vocabulary is not None
    settings = replace(SETTINGS, epochs=1)
    made = train([drawings], tmp_path / "on", settings, start=start, widths=WIDTHS, device=ON_CPU)
    assert made.start == "My Drawings"
    before, after = (map_tensors(folder / "weights.safetensors") for folder in (trained, tmp_path / "on"))
    change = np.abs(after["conv6_3.weight"] - before["conv6_3.weight"]).max()
    assert 0 < change < 0.01


def test_an_image_mean_goes_with_the_model(drawings: Dataset, tmp_path: Path) -> None:
    weights = initial_weights(
        "illustration2vec", choose_vocabulary([drawings], minimum=3), widths=WIDTHS
    ).weights
    start = Start(weights, mean=np.full((3, 1, 1), 99, np.float32))
    settings = replace(TAG_SETTINGS, epochs=1)
    train([drawings], tmp_path / "run", settings, start=start, widths=WIDTHS, device=ON_CPU)
    assert np.load(tmp_path / "run" / "mean.npy").ravel().tolist() == [99] * 3
    assert "sha256" in load_tagger(os.fspath(tmp_path / "run"), ON_CPU).info.preprocessing


def test_a_frozen_lite_learns_on_cached_features(tmp_path: Path) -> None:
    dataset = small_set(tmp_path / "drawings", 12)
    settings = TrainingSettings(
        model="lite", frozen=True, copies=1, epochs=8, batch_size=4, minimum=2, validation=0.25, patience=0
    )
    out = tmp_path / "lite"
    made = train([dataset], out, settings, device=ON_CPU)
    assert made.dimension == 4096
    assert made.epochs[-1]["training_loss"] < made.epochs[0]["training_loss"] / 2
    encoding = encode_images(load_encoder(os.fspath(out), ON_CPU), pictures(dataset, 3))
    assert encoding.vectors.shape == (3, 4096)
    oracle = TorchRuntime(trained_network("lite"), map_tensors(out / "weights.safetensors"), "cpu")
    encoder = load_encoder(os.fspath(out), ON_CPU)
    encoder._runtime = oracle  # type: ignore[attr-defined]
    expected = encode_images(encoder, pictures(dataset, 3))
    np.testing.assert_allclose(encoding.vectors, expected.vectors, atol=1e-4)
    assert encoding.tags is not None
    assert expected.tags is not None
    np.testing.assert_allclose(encoding.tags, expected.tags, atol=1e-4)
    frozen, after = pretrained_lite().weights, map_tensors(out / "weights.safetensors")
    assert np.array_equal(frozen["head.weight"], after["head.weight"])


def test_pictures_that_cannot_be_read_are_skipped_and_reported(tmp_path: Path) -> None:
    folder = draw_set(tmp_path / "drawings")
    (folder / "004.png").write_bytes(b"no picture")
    (folder / "007.png").write_bytes((folder / "007.png").read_bytes()[:300])
    made = train_small(read_dataset(folder), tmp_path / "run", replace(SETTINGS, epochs=1))
    assert sorted(item.path for item in made.skipped) == ["004.png", "007.png"]
    assert json.loads((tmp_path / "run" / "report.json").read_text())["skipped"][0]["path"] == "004.png"


def test_without_validation_there_are_no_thresholds(drawings: Dataset, tmp_path: Path) -> None:
    made = train_small(drawings, tmp_path / "run", replace(SETTINGS, epochs=1, validation=0))
    assert made.epochs[0]["validation_loss"] is None
    assert made.datasets[0].validation == 0
    assert not (tmp_path / "run" / "thresholds.npy").exists()
    assert load_tagger(os.fspath(tmp_path / "run"), ON_CPU).vocabulary.thresholds is None


def test_too_little_to_train_on_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    folder = draw_set(tmp_path / "drawings", 4)
    with pytest.raises(TagError, match="no tag can be learned"):
        train_small(read_dataset(folder), tmp_path / "run", replace(SETTINGS, minimum=20))
    (folder / "tags.jsonl").write_text('{"path": "000.png", "tags": ["circle"]}\n')
    with pytest.raises(TagError, match="no tag can be learned"):
        train_small(read_dataset(folder), tmp_path / "run", replace(SETTINGS, minimum=1))
    lines = ['{"path": "000.png", "tags": ["circle"]}', '{"path": "001.png", "tags": []}']
    (folder / "tags.jsonl").write_text("\n".join(lines))
    with pytest.raises(TrainingError, match="1 images are left for training"):
        train_small(read_dataset(folder), tmp_path / "run", replace(SETTINGS, minimum=1))
    assert not (tmp_path / "run").exists()


def test_an_unfinished_run_is_neither_overwritten_nor_mixed(drawings: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "run"
    (out / "checkpoint").mkdir(parents=True)
    with pytest.raises(TrainingError, match="holds an unfinished run; add --resume"):
        train_small(drawings, out)
    (out / "checkpoint" / "run.json").write_text(json.dumps(replace(SETTINGS, epochs=9).to_dict()))
    with pytest.raises(TrainingError, match="started with other options: epochs 3 instead of 9"):
        train_small(drawings, out, resume=True)


def test_a_finished_run_is_not_overwritten(trained: Path, drawings: Dataset) -> None:
    with pytest.raises(TrainingError, match="holds a trained model; choose another --out"):
        train_small(drawings, trained)
    before = weights_of(trained)
    again = train_small(drawings, trained, resume=True)
    assert (weights_of(trained), again.to_dict()) == (
        before,
        json.loads((trained / "report.json").read_text()),
    )


def test_a_full_memory_leaves_nothing_stuck(
    drawings: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from i2v_search.training.loop import Loop

    ran = Loop.run

    def fill(loop: Loop, updates: int | None = None) -> None:
        if when:
            ran(loop, when)
        raise torch.OutOfMemoryError("CUDA out of memory")

    for when in (0, 2):
        monkeypatch.setattr(Loop, "run", fill)
        with pytest.raises(TrainingError, match="--resume --batch-size 2"):
            train_small(drawings, tmp_path / "run")
        assert (tmp_path / "run").exists() == bool(when)
    monkeypatch.setattr(Loop, "run", ran)
    made = train_small(drawings, tmp_path / "run", replace(SETTINGS, batch_size=2, accumulate=1), resume=True)
    assert (made.finished, made.settings["accumulate"]) == ("epochs", 4)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"epochs": 0}, "epochs is 0; it must be from 1"),
        ({"validation": 1.0}, "validation is 1.0; it must be from 0 to 0.9"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"model": "illustration2vec", "frozen": True}, "only model lite supports a frozen trunk"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        TrainingSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "low", "high", "step"),
    [
        ("copies", 0, 1000, 1),
        ("epochs", 1, 1_000_000, 1),
        ("batch_size", 1, 65_536, 1),
        ("accumulate", 1, 65_536, 1),
        ("learning_rate", 1e-12, 1e3, 1e-13),
        ("pretrained_rate", 0, 1, 1e-9),
        ("weight_decay", 0, 1e3, 1e-9),
        ("warmup", 0, 1, 1e-9),
        ("clip", 0, 1e9, 1e-6),
        ("positive_weight", 0, 1, 1e-9),
        ("validation", 0, 0.9, 1e-9),
        ("minimum", 1, 1_000_000_000, 1),
        ("patience", 0, 1_000_000, 1),
        ("seed", 0, 2**63 - 1, 1),
    ],
)
def test_settings_end_where_they_should(name: str, low: float, high: float, step: float) -> None:
    for good in (low, high):
        assert getattr(TrainingSettings(**{name: good}), name) == good  # type: ignore[arg-type]
    for bad in (low - step, high + step):
        with pytest.raises(TrainingError, match=f"^{name} is .*; it must be from"):
            TrainingSettings(**{name: bad})  # type: ignore[arg-type]


def test_a_fresh_tag_layer_starts_from_how_often_each_tag_occurs(drawings: Dataset, tmp_path: Path) -> None:
    """Shown by runs too slow to learn; a layer that is given keeps what it says."""
    settings = replace(TAG_SETTINGS, epochs=1, learning_rate=1e-12, validation=0)
    train([drawings], tmp_path / "first", settings, widths=WIDTHS, device=ON_CPU)
    weights = dict(map_tensors(tmp_path / "first" / "weights.safetensors"))
    names = load_tagger(os.fspath(tmp_path / "first"), ON_CPU).vocabulary.names
    expected = []
    for tag in names:
        known = [picture for picture in drawings.pictures if tag not in picture.unknown]
        positive = sum(tag in {entry.name for entry in picture.tags} for picture in known)
        expected.append((positive + 1) / (len(known) + 2))
    np.testing.assert_allclose(1 / (1 + np.exp(-weights["conv6_4.bias"])), expected, rtol=1e-5)
    assert len(set(expected)) > 2
    other = np.linspace(-1, 1, len(names), dtype=np.float32)
    start = replace(read_start(tmp_path / "first"), weights={**weights, "conv6_4.bias": other})
    train([drawings], tmp_path / "second", settings, start=start, widths=WIDTHS, device=ON_CPU)
    kept = map_tensors(tmp_path / "second" / "weights.safetensors")["conv6_4.bias"]
    np.testing.assert_allclose(kept, other, atol=1e-6)


@pytest.mark.parametrize("model", ["illustration2vec", "illustration2vec-features"])
def test_narrow_networks_only_differ_in_width(model: TrainingModel) -> None:
    assert len(trained_network(model).parameter_names()) in {24, 26}


def test_the_command_line_trains_and_says_what_to_do_next(tmp_path: Path) -> None:
    folder, out = draw_set(tmp_path / "drawings", 12), tmp_path / "run"
    command = ["train", str(folder), "--out", str(out), "--freeze", "--copies", "1", "--epochs", "2"]
    command += ["--minimum", "2", "--validation", "0.25", "--device", "cpu", "--threads", "1"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "2*" in done.output or "1*" in done.output
    said = " ".join(done.output.split())
    assert "gives vectors and tags (5 general, 1 rating)" in said
    assert f"models import {out}" in done.output.replace("\n", "")
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1
    assert "holds a trained model" in str(again.exception)
    missing = CliRunner().invoke(app, [*command[:3], str(tmp_path / "new"), "--from", "nothing.pth"])
    assert "is not an imported model" in str(missing.exception)
    imported = CliRunner().invoke(app, ["models", "import", str(out), "--name", "mine"])
    assert "--encoder mine or --tagger mine" in imported.output
    nothing = CliRunner().invoke(app, ["models", "import", str(folder)])
    assert "holds no model.json" in str(nothing.exception)


def test_the_command_line_reports_as_json(tmp_path: Path) -> None:
    folder = draw_set(tmp_path / "drawings", 12)
    command = ["train", str(folder), "--out", str(tmp_path / "run"), "--freeze", "--no-augment", "--json"]
    command += ["--epochs", "1", "--minimum", "2", "--device", "cpu", "--threads", "1"]
    done = CliRunner().invoke(app, command)
    assert json.loads(done.stdout)["finished"] == "epochs"


def test_the_help_imports_no_torch() -> None:
    code = "import sys; from i2v_search.cli.main import app; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_real_set_trains_on_a_gpu(tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=2, minimum=20, batch_size=64)
    dataset = read_dataset(sample_directory())
    made = train([dataset], tmp_path / "run", settings, device=Device(name="cuda"))
    assert made.epochs[-1]["training_loss"] < made.epochs[0]["training_loss"]
