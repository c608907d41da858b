"""A study of morphs: what is asked, what is written down, and what the answers say."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from grids import draw_folder
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats
from typer.testing import CliRunner

from i2v_search.cli.main import app
from i2v_search.collection.collection import Collection
from i2v_search.errors import SourceError
from i2v_search.training.evaluation.morph_quiz import (
    ChoiceAnswer,
    OrderAnswer,
    append_answer,
    read_answers,
    score_answers,
)


def test_questions_are_drawn_without_names_and_answers_are_kept(
    sample_collection: Collection, tmp_path: Path
) -> None:
    file = tmp_path / "answers.jsonl"
    asked = ["quiz", str(file), "-c", str(sample_collection.directory), "-n", "2", "--seed", "3"]
    done = CliRunner().invoke(app, asked, input="a b c\nd, c b A\n7\n2\n")
    assert done.exit_code == 0, done.output
    assert "type each of a, b, c, d once" in done.output
    assert "type one of 0, 1, 2" in done.output
    order, choice = read_answers(file)
    assert isinstance(order, OrderAnswer)
    assert isinstance(choice, ChoiceAnswer)
    again = sample_collection.morph(*order.ends, steps=4, method=order.method)  # type: ignore[arg-type]
    assert order.images == tuple(stop.id for stop in again.stops[1:-1])
    assert choice.answer == choice.methods[1]
    with Image.open(file.with_suffix(".png")) as picture:  # of the second question: two rows
        assert picture.width > 2 * picture.height > 600
    # The same seed asks the same, and shuffles alike: the letters mean the same images.
    second = tmp_path / "again.jsonl"
    CliRunner().invoke(app, ["quiz", str(second), *asked[2:]], input="d c b a\n0\n")
    first_again, neither = read_answers(second)
    assert first_again == order
    assert neither.answer == "alike"
    said = CliRunner().invoke(app, ["quiz", str(file), "--score"])
    assert said.exit_code == 0
    assert f"{order.method}: put back exactly" in said.output
    assert "of 1 decided answers; 0 alike" in said.output
    as_json = json.loads(CliRunner().invoke(app, ["quiz", str(file), "--score", "--json"]).output)
    assert as_json["orders"][order.method]["restored"]["count"] == 1


@pytest.mark.usefixtures("loaded")
def test_pictures_that_are_away_are_not_asked_about(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "art", 9)
    Collection.build(tmp_path / "c", [images], encoder="grid")
    images.rename(tmp_path / "away")
    asked = ["quiz", str(tmp_path / "answers.jsonl"), "-c", str(tmp_path / "c"), "-n", "2", "--seed", "3"]
    done = CliRunner().invoke(app, asked, input="a b c d\n1\n")
    assert done.exit_code == 1
    assert "nobody can judge pictures" in done.stderr
    assert not (tmp_path / "answers.jsonl").exists()


@pytest.mark.parametrize("methods", ["gradual", "gradual,gradual", "gradual,zigzag"])
def test_two_methods_are_compared(methods: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["quiz", str(tmp_path / "a.jsonl"), "--methods", methods])
    assert done.exit_code == 2
    assert "--methods takes two of gradual" in done.output


@given(st.lists(st.permutations(range(4)), min_size=1, max_size=20))
def test_orders_are_scored_as_scipy_scores_them(answers: list[list[int]]) -> None:
    asked = [OrderAnswer((8, 9), "line", (0, 1, 2, 3), tuple(answer)) for answer in answers]
    score = score_answers(asked).orders["line"]
    exact = [answer == sorted(answer) for answer in answers]
    # `answer` lists images by place; tau is of the places.
    taus = [stats.kendalltau(range(4), answer).statistic for answer in answers]
    assert score.tau.value == pytest.approx(sum(taus) / len(taus), abs=1e-9)
    assert score.restored.value == pytest.approx(sum(exact) / len(exact))
    assert score.chance == pytest.approx(1 / math.factorial(4))
    assert score.restored.low <= score.restored.value <= score.restored.high


def test_choices_are_counted_whichever_row_was_above() -> None:
    asked = [ChoiceAnswer((0, 1), ("line", "gradual"), "gradual")] * 3
    asked += [ChoiceAnswer((0, 1), ("gradual", "line"), one) for one in ("line", "alike")]
    (score,) = score_answers(asked).choices
    assert (score.methods, score.first.value, score.first.count, score.alike) == (
        ("gradual", "line"),
        0.75,
        4,
        1,
    )


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{",
        '{"kind": "other"}',
        '{"kind": "order", "ends": [1, 2], "method": "line", "images": [3, 4], "answer": [3, 5]}',
        '{"kind": "choice", "ends": [1, 2], "methods": ["line", "gradual"], "answer": "best"}',
        '{"kind": "choice", "ends": [1, 2], "methods": ["line", {}], "answer": "line"}',
    ],
)
def test_a_line_that_is_no_answer_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    append_answer(file, OrderAnswer((1, 2), "line", (3, 4), (4, 3)))
    with file.open("a") as opened:
        opened.write(f"\n{line}\n")
    with pytest.raises(SourceError, match="line 3: no answer of a quiz"):
        list(read_answers(file))
