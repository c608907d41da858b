"""`evaluate` and its command: every part on real files, alone and beside another encoder."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import DIMENSION, GridEncoder, draw
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from i2v_search.choices import Device
from i2v_search.cli import show
from i2v_search.cli.main import app, main
from i2v_search.encoders import registry
from i2v_search.encoders.base import EncoderInfo, Encoding
from i2v_search.errors import EncoderError, QueryError, TrainingError
from i2v_search.images.sample import sample_directory
from i2v_search.tags.vocabulary import Vocabulary
from i2v_search.training.datasets.dataset import Dataset, choose_vocabulary, read_dataset
from i2v_search.training.datasets.splitting import split
from i2v_search.training.evaluation.evaluation import COPIES, PARTS, Evaluation, evaluate
from i2v_search.training.evaluation.report_changes import report_changes
from i2v_search.training.evaluation.retrieval import retrieval
from i2v_search.training.report import count_left_out

COLOURS = ("red", "green", "blue")
VOCABULARY = Vocabulary(("red", "green", "blue"), ("general", "general", "character"))


class GreyEncoder:
    """The grid's brightness only: blind to colour, so worse than `GridEncoder`."""

    info = EncoderInfo(id="grey", weights_sha256="1" * 64, preprocessing="grid-4", dimension=16)
    shrink_to: int | None = None
    batch_size = 8
    vocabulary: Vocabulary | None = None

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        return np.asarray(image.convert("L").resize((4, 4), Image.Resampling.BOX))

    def encode(self, inputs: Sequence[NDArray[Any]]) -> Encoding:
        return Encoding(np.stack(inputs).reshape(len(inputs), -1).astype(np.float32) + 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 noisy pictures of three colours, one folder each, tagged by colour; one is not readable."""
    root = tmp_path_factory.mktemp("sets") / "colours"
    lines = []
    generator = np.random.default_rng(0)
    for number in range(36):
        colour = COLOURS[number % 3]
        path = root / colour / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 120, (24, 32, 3), np.uint8)
        pixels[..., number % 3] += 120
        Image.fromarray(pixels).save(path)
        tags = [colour] if number else []
        lines.append({"path": f"{colour}/{number}.png", "tags": tags, "categories": {"blue": "character"}})
    lines[0]["unknown"] = ["red"]
    (root / "red" / "0.png").write_bytes(b"no picture")
    (root / "tags.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def colours(folder: Path) -> Dataset:
    return read_dataset(folder)


@pytest.fixture(scope="module")
def compared(colours: Dataset) -> Evaluation:
    return evaluate([colours], GridEncoder(VOCABULARY), against=GreyEncoder())


def test_every_part_is_measured_and_what_does_not_apply_says_why(compared: Evaluation) -> None:
    ours, theirs = compared.sets[0].measures
    assert (ours.encoder, theirs.encoder) == ("grid", "grey")
    assert ours.left_out == {}
    assert theirs.left_out == {"tags": "the encoder has no tag head"}
    assert ours.retrieval is not None
    assert ours.retrieval.precision_at_1.value == 1
    assert ours.shared is not None
    assert ours.shared.ndcg_at_10.value == 1
    assert "nDCG@10" in [difference.measure for difference in compared.sets[0].differences]
    assert ours.tags is not None
    assert [score.category for score in ours.tags.categories] == ["general", "character", "all"]
    assert ours.tags.all.over_images.value == 1
    assert [tag.known for tag in ours.tags.tags] == [35, 35, 35]
    assert ours.copies is not None
    assert ours.copies.edits["jpeg"].count == min(COPIES, 35)
    assert ours.recall[0].recall.value == 1


def test_the_encoder_sees_each_picture_once_and_each_copy_once(colours: Dataset) -> None:
    encoder = GridEncoder(VOCABULARY)
    evaluate([colours], encoder)
    assert encoder.encoded == 35 + 6 * 35


def test_the_numbers_are_those_of_the_parts_on_plain_arrays(colours: Dataset, compared: Evaluation) -> None:
    measures = compared.sets[0].measures[1]
    labels = [colours.pictures[row].label for row in measures.encoded.rows]
    assert measures.retrieval is not None
    alone = retrieval(measures.encoded.vectors, labels)
    assert measures.retrieval.mean_average_precision == alone.mean_average_precision


def test_two_encoders_are_compared_picture_by_picture(compared: Evaluation) -> None:
    found = {difference.measure: difference for difference in compared.sets[0].differences}
    first, second = (measures.retrieval for measures in compared.sets[0].measures)
    assert first is not None
    assert second is not None
    better = found["mAP"]
    assert better.difference.value == pytest.approx(
        first.mean_average_precision.value - second.mean_average_precision.value
    )
    assert better.difference.low > 0
    assert better.gain is not None
    assert better.gain.value > 0.5
    assert {"P@1", "P@10", "copies: crop", "copies: mean"} < set(found)


def test_heads_with_the_same_tags_are_compared_by_category(colours: Dataset) -> None:
    class Blind(GridEncoder):
        info = EncoderInfo(id="blind", weights_sha256="2" * 64, preprocessing="x", dimension=DIMENSION)

        def encode(self, inputs: Sequence[NDArray[Any]]) -> Encoding:
            return Encoding(super().encode(inputs).vectors, np.full((len(inputs), 3), 0.5, np.float32))

    found = evaluate([colours], GridEncoder(VOCABULARY), against=Blind(VOCABULARY), parts=["tags"])
    differences = {one.measure: one.difference for one in found.sets[0].differences}
    assert set(differences) == {"tags: general", "tags: character", "tags: all"}
    assert differences["tags: all"].low > 0.4


def test_a_picture_that_cannot_be_read_is_reported_and_left_out(compared: Evaluation) -> None:
    document = compared.to_dict()["sets"][0]
    assert document["pictures"] == 35
    assert [item["path"] for item in document["skipped"]] == ["red/0.png"]
    assert compared.sets[0].measures[0].encoded.rows.tolist() == list(range(1, 36))


def test_held_out_pictures_are_those_that_training_leaves_out(colours: Dataset) -> None:
    chosen = split([colours], validation=0.4, seed=3).validation
    found = evaluate([colours], GridEncoder(), parts=["retrieval"], held_out=0.4, seed=3)
    kept = found.sets[0].dataset.pictures
    assert list(kept) == [colours.pictures[row] for row in chosen]


def test_a_set_that_is_divided_already_is_taken_as_it_is(colours: Dataset) -> None:
    names = ["train", "Test", "val", None]
    told = tuple(
        replace(picture, facts={} if (name := names[row % 4]) is None else {"split": name})
        for row, picture in enumerate(colours.pictures)
    )
    divided = replace(colours, pictures=told)
    found = split([divided, colours], validation=0.4, seed=3)
    rows = np.arange(len(colours))
    own = [part[part < len(colours)] for part in (found.training, found.validation)]
    np.testing.assert_array_equal(own[0], rows[(rows % 4 == 0) | (rows % 4 == 3)])
    np.testing.assert_array_equal(own[1], rows[rows % 4 == 2])
    # The other set is divided as ever; its pictures are copies, and no choice of its own.
    others = [part[part >= len(colours)] for part in (found.training, found.validation)]
    assert sorted(np.concatenate(others)) == sorted(rows + len(colours))
    assert all(map(len, others))
    measured = evaluate([divided, colours], GridEncoder(), parts=["retrieval"], split="test")
    assert [list(one.dataset.pictures) for one in measured.sets] == [list(told[1::4])]
    assert measured.to_dict()["split"] == "test"
    left_out = count_left_out([divided], choose_vocabulary([divided], minimum=2))
    assert left_out["pictures kept for a test"] == len(told[1::4])
    odd = replace(colours, pictures=(replace(told[0], facts={"split": "fold 3"}), *told[1:]))
    with pytest.raises(TrainingError, match="split 'fold 3'; use one of train, "):
        split([odd])
    with pytest.raises(QueryError, match='no picture of these data sets says "split": "test"'):
        evaluate([colours], GridEncoder(), split="test")
    with pytest.raises(QueryError, match="not by both"):
        evaluate([divided], GridEncoder(), split="test", held_out=0.1)


def test_a_set_without_labels_or_with_few_pictures_is_measured_where_possible(tmp_path: Path) -> None:
    for number in range(4):
        draw(tmp_path / f"{number}.png", number)
    lines = (json.dumps({"path": f"{number}.png", "tags": ["noise"]}) for number in range(4))
    (tmp_path / "tags.jsonl").write_text("\n".join(lines), encoding="utf-8")
    measures = evaluate([read_dataset(tmp_path)], GridEncoder(VOCABULARY)).sets[0].measures[0]
    assert measures.copies is not None
    assert set(measures.left_out) == {"retrieval", "tags", "recall"}


def test_two_reports_are_compared(colours: Dataset, tmp_path: Path) -> None:
    reports = []
    for encoder in (GridEncoder(VOCABULARY), GreyEncoder()):
        reports.append(tmp_path / f"{encoder.info.id}.json")
        found = evaluate([colours], encoder, parts=["retrieval", "tags", "recall"])
        reports[-1].write_text(json.dumps(found.to_dict()), encoding="utf-8")
    changes = report_changes(*reports)
    worse = {change.measure: change for change in changes}["retrieval precision_at_10"]
    assert worse.encoders == (GridEncoder().info.id, "grey")
    assert worse.apart
    assert worse.after.value < worse.before.value
    assert {change.measure.split()[0] for change in changes} == {"retrieval", "recall"}  # one has no tags
    same = report_changes(reports[0], reports[0])
    assert any(change.measure == "tags categories general over_tags" for change in same)
    assert not any(change.apart for change in same)
    shown = CliRunner().invoke(app, ["evaluate", "--compare", *map(str, reports)])
    assert shown.exit_code == 0, shown.output
    assert "retrieval precision_at_10" in shown.output
    as_json = json.loads(
        CliRunner().invoke(app, ["evaluate", "--json", "--compare", *map(str, reports)]).stdout
    )
    assert [change["apart"] for change in as_json] == [change.apart for change in changes]
    odd = json.loads(reports[0].read_text())
    odd["sets"][0]["measures"][0]["retrieval"]["precision_at_1"]["value"] = "much"
    for text in ("{", "[]", '{"sets": [{}]}', '{"sets": []}', json.dumps(odd)):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(QueryError, match=r"no report of an evaluation|have no set"):
            report_changes(reports[0], tmp_path / "other.json")
    with pytest.raises(QueryError, match="cannot read"):
        report_changes(reports[0], tmp_path / "missing.json")


def test_what_cannot_be_evaluated_is_refused(colours: Dataset, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="parts: retrieval, shared, tags, copies, recall"):
        evaluate([colours], GridEncoder(), parts=["speed"])  # type: ignore[list-item]
    with pytest.raises(QueryError, match="without a data set"):
        evaluate([], GridEncoder())
    with pytest.raises(QueryError, match="itself"):
        evaluate([colours], GridEncoder(), against=GridEncoder())
    with pytest.raises(QueryError, match="held_out"):
        evaluate([colours], GridEncoder(), held_out=1.5)
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "tags.jsonl").write_text('{"path": "a.png", "tags": []}', encoding="utf-8")
    with pytest.raises(EncoderError, match="none of the pictures"):
        evaluate([read_dataset(tmp_path)], GridEncoder())


def test_a_sheet_has_a_row_for_each_query_and_frames_hits_of_its_label(compared: Evaluation) -> None:
    sheet = compared.sheet(queries=5, hits=3)
    taller = compared.sheet(queries=9, hits=3)
    assert sheet.mode == "RGB"
    assert taller.height > sheet.height * 1.4
    assert compared.sheet(queries=5, hits=5).width > sheet.width
    frame = (79, 70, 229)
    assert frame in {colour for _, colour in sheet.getcolors(maxcolors=2**24) or []}


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    def known(_: Device) -> GridEncoder:
        return GridEncoder(VOCABULARY)

    monkeypatch.setitem(registry._FACTORIES, "grid", known)
    monkeypatch.setitem(registry._FACTORIES, "grey", lambda _: GreyEncoder())


@pytest.mark.usefixtures("encoders")
def test_the_command_prints_tables_and_writes_report_and_sheet(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show.out, "_width", 140)
    report, sheet = tmp_path / "new" / "report.json", tmp_path / "new" / "sheet.png"
    table = tmp_path / "new" / "tags.csv"
    arguments = ["evaluate", str(folder), "--encoder", "grid", "--against", "grey"]
    with show.out.capture() as printed:
        done = CliRunner().invoke(
            app, [*arguments, "--out", str(report), "--sheet", str(sheet), "--per-tag", str(table)]
        )
    assert done.exit_code == 0, done.output
    text = printed.get()
    assert "colours: 35 pictures, centred similarity" in text
    for line in ("P@10", "mAP", "copies: rotation", "exact", "48-bit codes", "16-bit codes", "character"):
        assert line in text
    assert "grey, no tags: the encoder has no tag head" in text
    assert "1 skipped" in text
    document = json.loads(report.read_text(encoding="utf-8"))
    assert document["sets"][0]["measures"][0]["retrieval"]["queries"] == 35
    with Image.open(sheet) as picture:
        assert picture.width > 1500
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["encoder"], row["name"], row["average_precision"]) for row in rows} == {
        ("grid", name, "1.0") for name in ("red", "green", "blue")
    }


@pytest.mark.usefixtures("encoders")
def test_the_command_measures_only_what_is_asked_for(folder: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(folder), "--encoder", "grid", "--tags", "--json"])
    assert done.exit_code == 0, done.output
    measures = json.loads(done.stdout)["sets"][0]["measures"][0]
    assert measures["tags"]["categories"][0]["tags"] == 2
    assert (measures["retrieval"], measures["copies"], measures["recall"]) == (None, None, [])
    assert set(PARTS) == {"retrieval", "shared", "tags", "copies", "recall"}


def test_the_command_evaluates_the_default_encoder_on_the_bundled_sample(tmp_path: Path) -> None:
    """A real process; a dozen pictures each of two folders that differ much."""
    lines = (sample_directory() / "tags.jsonl").read_text(encoding="utf-8").splitlines()
    kept = []
    for category in ("fruit", "portraits"):
        kept += [line for line in lines if json.loads(line)["path"].startswith(f"{category}/")][:12]
    for line in kept:
        path = json.loads(line)["path"]
        (tmp_path / "set" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / path).write_bytes((sample_directory() / path).read_bytes())
    (tmp_path / "set" / "tags.jsonl").write_text("\n".join(kept), encoding="utf-8")
    code = "from i2v_search.cli.main import main; main()"
    command = [sys.executable, "-c", code, "evaluate", "set", "--retrieval", "--json", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    found = json.loads(done.stdout)["sets"][0]["measures"][0]["retrieval"]
    assert found["pictures"] == len(kept) == 24
    assert found["precision_at_1"]["value"] > 0.9


def test_a_set_that_does_not_exist_is_one_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["i2v-search", "evaluate", "nowhere"])
    with show.err.capture() as printed, pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    assert "'nowhere' does not exist" in printed.get()


def test_the_package_does_not_load_torch() -> None:
    code = (
        "import sys, i2v_search.training.evaluation.recall, i2v_search.training.evaluation.encoding, "
        "i2v_search.training.evaluation.tags, i2v_search.training.evaluation.evaluation\n"
        "print(sorted({'torch', 'onnxruntime', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
