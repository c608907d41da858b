"""A study of morphs with people: what they were asked, what they answered, and what that says.

Two kinds of question. *Order*: the intermediates of a morph are shuffled, and a person puts them back between
A and B, as the judges of `i2v_search.morph.verdict` do. *Choice*: the morphs that two methods found between
the same ends stand one above the other, in random order and without names, and a person says which is more
gradual. Answers are lines of JSON, so that those of several people can be put into one file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, get_args

import numpy as np

from i2v_search.choices import MorphMethod
from i2v_search.errors import SourceError
from i2v_search.escapes import JsonReady
from i2v_search.morph.verdict import tau_of
from i2v_search.training.evaluation.intervals import Estimate, estimate_mean

#: Said of two morphs of which neither is more gradual.
ALIKE: Final = "alike"
_MOST_BYTES: Final = 2**26


@dataclass(frozen=True)
class OrderAnswer(JsonReady):
    """The order in which a person put the intermediates of a morph.

    Attributes:
        ends: ids of A and B.
        method: that found the morph.
        images: ids of its intermediates, in its order.
        answer: the same ids in the order of the person.
    """

    ends: tuple[int, int]
    method: str
    images: tuple[int, ...]
    answer: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.method not in get_args(MorphMethod) or sorted(self.images) != sorted(self.answer):
            raise ValueError("an answer must have the images of its morph, each once")
        if len(self.images) < 2 or len(self.ends) != 2:
            raise ValueError("there must be two ends, and at least two images to put in order")


@dataclass(frozen=True)
class ChoiceAnswer(JsonReady):
    """Which of two morphs between the same ends is more gradual to a person.

    Attributes:
        ends: ids of A and B.
        methods: of the upper morph and of the lower one.
        answer: one of the methods, or `ALIKE`.
    """

    ends: tuple[int, int]
    methods: tuple[str, str]
    answer: str

    def __post_init__(self) -> None:
        if not {*self.methods} <= {*get_args(MorphMethod)} or len({*self.methods}) != 2:
            raise ValueError("there must be two methods")
        if self.answer not in (*self.methods, ALIKE) or len(self.ends) != 2:
            raise ValueError(f"the answer must be one of the methods, or {ALIKE!r}")


Answer: TypeAlias = OrderAnswer | ChoiceAnswer
_KINDS: Final[dict[str, type[OrderAnswer] | type[ChoiceAnswer]]] = {
    "order": OrderAnswer,
    "choice": ChoiceAnswer,
}


@dataclass(frozen=True)
class OrdersScore(JsonReady):
    """How people put back the images of morphs that one method found.

    Attributes:
        restored: share of morphs put back exactly.
        tau: mean Kendall's tau of their order with that of the morph.
        chance: share that would be put back exactly by chance.
    """

    restored: Estimate
    tau: Estimate
    chance: float


@dataclass(frozen=True)
class ChoicesScore(JsonReady):
    """Which of two methods people found more gradual.

    Attributes:
        methods: of the two, in the order of the alphabet.
        first: share of the first among the decided answers.
        alike: number of answers that neither is.
    """

    methods: tuple[str, str]
    first: Estimate
    alike: int


@dataclass(frozen=True)
class QuizScore(JsonReady):
    """What the answers of a study say, with intervals of 95 %.

    Attributes:
        orders: by method.
        choices: of each two methods that were compared.
    """

    orders: dict[str, OrdersScore]
    choices: tuple[ChoicesScore, ...]


def score_answers(answers: Iterable[Answer]) -> QuizScore:
    """Summarise answers. Those of one person count as independent: ask several people, a few pairs each.

    Example:
        >>> asked = [OrderAnswer((0, 9), "gradual", (3, 4, 5), order) for order in ((3, 4, 5), (3, 5, 4))]
        >>> asked += [ChoiceAnswer((0, 9), ("line", "gradual"), "gradual")]
        >>> score = score_answers(asked)
        >>> score.orders["gradual"].restored.value, round(score.orders["gradual"].tau.value, 3)
        (0.5, 0.667)
        >>> score.choices[0].methods, score.choices[0].first.value
        (('gradual', 'line'), 1.0)
    """
    listed = list(answers)
    orders = [one for one in listed if isinstance(one, OrderAnswer)]
    by_method = {
        method: [one for one in orders if one.method == method]
        for method in sorted({one.method for one in orders})
    }
    choices = [one for one in listed if isinstance(one, ChoiceAnswer)]
    compared = sorted({tuple(sorted(one.methods)) for one in choices})
    return QuizScore(
        {method: _orders_score(of_it) for method, of_it in by_method.items()},
        tuple(
            _choices_score((one, other), [each for each in choices if {*each.methods} == {one, other}])
            for one, other in compared
        ),
    )


def append_answer(file: Path, answer: Answer) -> None:
    """Write an answer as a line at the end of a file, which is made if it is not there."""
    kind = next(name for name, of_kind in _KINDS.items() if isinstance(answer, of_kind))
    with file.open("a", encoding="utf-8") as opened:
        opened.write(json.dumps({"kind": kind, **answer.to_dict()}) + "\n")


def read_answers(file: Path) -> Iterator[Answer]:
    """Read answers in their order.

    Raises:
        SourceError: a line is no answer; the message names it.
        OSError: the file cannot be read.
    """
    if file.stat().st_size > _MOST_BYTES:
        raise SourceError(f"{file} has more than {_MOST_BYTES:,} bytes: it holds no answers")
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if line.strip():
            try:
                yield _answer_of(json.loads(line))
            except (ValueError, TypeError, LookupError, RecursionError) as error:
                raise SourceError(f"{file}, line {number}: no answer of a quiz ({error})") from error


def _answer_of(document: Any) -> Answer:
    of_kind = _KINDS[document.pop("kind")]
    given: dict[str, Any] = {
        name: tuple(one) if isinstance(one, list) else one for name, one in document.items()
    }
    return of_kind(**given)


def _orders_score(answers: Sequence[OrderAnswer]) -> OrdersScore:
    taus = np.array([tau_of(one.answer, one.images) for one in answers])
    exact = np.array([one.answer == one.images for one in answers], np.float64)
    by_chance = np.mean([1 / np.prod(np.arange(1, len(one.images) + 1)) for one in answers])
    return OrdersScore(estimate_mean(exact), estimate_mean(taus), float(by_chance))


def _choices_score(methods: tuple[str, str], answers: Sequence[ChoiceAnswer]) -> ChoicesScore:
    decided = [one.answer for one in answers if one.answer != ALIKE]
    shares = np.array([answer == methods[0] for answer in decided], np.float64)
    return ChoicesScore(methods, estimate_mean(shares), len(answers) - len(decided))
