"""``i2v-search quiz``: ask a person how gradual morphs are, and say what the answers of a study say."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from i2v_search.choices import MorphMethod
from i2v_search.cli.options import DEFAULT, CollectionOption, JsonOption, open_collection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from i2v_search.collection.collection import Collection
    from i2v_search.images.sources import Skipped
    from i2v_search.morph.stops import Morph
    from i2v_search.training.evaluation.morph_quiz import Answer, QuizScore

#: Pairs of ends that are tried for each question.
_TRIES = 20
_LETTERS = "abcdefgh"


def quiz(
    answers: Annotated[Path, typer.Argument(help="File of answers (JSON lines); new ones are added.")],
    collection: CollectionOption = DEFAULT,
    questions: Annotated[int, typer.Option("--questions", "-n", min=1, max=200, help="How many.")] = 10,
    methods: Annotated[
        str, typer.Option("--methods", help="The two methods that are compared, with a comma between them.")
    ] = "gradual,line",
    steps: Annotated[
        int, typer.Option("--steps", min=2, max=len(_LETTERS), help="Number of images between A and B.")
    ] = 4,
    picture: Annotated[
        Path | None, typer.Option(help="Picture of the question (default: beside the answers, .png).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed asks the same questions.")] = None,
    score: Annotated[bool, typer.Option("--score", help="Ask nothing: say what the answers say.")] = False,
    json: JsonOption = False,
) -> None:
    """Study with people how gradual morphs are: each question is a picture, and an answer typed here.

    Half of the questions show the images of one morph shuffled, to be put in order; half show what two
    methods found between the same ends, without their names.
    """
    from i2v_search.cli import show
    from i2v_search.training.evaluation.morph_quiz import append_answer, read_answers, score_answers

    if score:
        if not answers.is_file():
            raise typer.BadParameter(f"there is no file {str(answers)!r}")
        found = score_answers(read_answers(answers))
        if json:
            show.as_json(found.to_dict())
        else:
            print_score(found)
        return
    chosen = [name.strip() for name in methods.split(",")]
    if len(set(chosen)) != 2 or not set(chosen) <= set(get_args(MorphMethod)):
        raise typer.BadParameter(
            f"--methods takes two of {', '.join(get_args(MorphMethod))}, not {methods!r}"
        )
    if answers.is_dir():
        raise typer.BadParameter(f"{str(answers)!r} is a folder; name a file for the answers")
    answers.parent.mkdir(parents=True, exist_ok=True)
    opened, drawn = open_collection(collection), picture or answers.with_suffix(".png")
    asked = 0
    for morphs in _pairs(opened, chosen, steps, questions, random.Random(seed)):  # noqa: S311
        asked += 1
        show.out.print(f"Question {asked} of {questions}: look at {drawn}", markup=False)
        ask = _ask_order if asked % 2 else _ask_choice
        append_answer(answers, ask(opened, morphs, drawn, random.Random(f"{seed} {asked}")))  # noqa: S311
    if not asked:
        show.err.print("no two images have morphs by both methods: the collection is too small")
        raise typer.Exit(1)
    show.out.print(
        f"{asked} answers in {answers}; see them all: i2v-search quiz {answers} --score", markup=False
    )


def print_score(found: QuizScore) -> None:
    """Print what the answers say, with intervals of 95 %."""
    from i2v_search.cli import show

    for method, orders in found.orders.items():
        show.out.print(
            f"{method}: put back exactly {orders.restored} of {orders.restored.count} morphs (by chance "
            f"{orders.chance:.3f}), Kendall's tau {orders.tau}",
            markup=False,
        )
    for choice in found.choices:
        show.out.print(
            f"{choice.methods[0]} more gradual than {choice.methods[1]}: {choice.first} of "
            f"{choice.first.count} decided answers; {choice.alike} alike",
            markup=False,
        )
    if not found.orders and not found.choices:
        show.out.print("no answers")


def _pairs(
    opened: Collection, methods: Sequence[str], steps: int, count: int, chance: random.Random
) -> Iterator[list[Morph]]:
    """Morphs by both methods between random ends."""
    from i2v_search.errors import MorphError

    ids = list(opened.ids)
    for _ in range(count if len(ids) >= steps + 2 else 0):
        for _ in range(_TRIES):
            ends = chance.sample(ids, 2)
            try:
                found = [opened.morph(*ends, steps=steps, method=method) for method in methods]  # type: ignore[arg-type]
            except MorphError:
                continue
            if all(len(each.stops) == steps + 2 for each in found):
                chance.shuffle(found)
                yield found
                break


def _ask_order(opened: Collection, morphs: Sequence[Morph], drawn: Path, chance: random.Random) -> Answer:
    from i2v_search.training.evaluation.morph_quiz import OrderAnswer

    found = morphs[0]
    first, *images, last = _ids(found)
    shuffled = chance.sample(images, len(images))
    letters = dict(zip(_LETTERS, shuffled, strict=False))
    _draw(opened, [(first, "A"), *((image, letter) for letter, image in letters.items()), (last, "B")], drawn)
    said = typer.prompt(
        f"In which order do {', '.join(letters)} lead gradually from A to B?",
        value_proc=lambda text: _letters(text, letters),
    )
    return OrderAnswer((first, last), found.method, tuple(images), tuple(letters[one] for one in said))


def _ask_choice(opened: Collection, morphs: Sequence[Morph], drawn: Path, _: random.Random) -> Answer:
    from i2v_search.training.evaluation.morph_quiz import ALIKE, ChoiceAnswer

    rows = [
        [(image, f"{number}: {place}") for place, image in enumerate(_ids(found))]
        for number, found in enumerate(morphs, 1)
    ]
    _draw(opened, [*rows[0], *rows[1]], drawn, columns=len(rows[0]))
    said = typer.prompt(
        "Which row is more gradual: 1, 2, or 0 for neither?", value_proc=lambda text: _one_of(text, "012")
    )
    upper, lower = (found.method for found in morphs)
    ends = _ids(morphs[0])
    return ChoiceAnswer((ends[0], ends[-1]), (upper, lower), (ALIKE, upper, lower)[int(said)])


def _letters(text: str, letters: dict[str, int]) -> str:
    said = "".join(text.lower().replace(",", " ").split())
    if sorted(said) != sorted(letters):
        raise typer.BadParameter(f"type each of {', '.join(letters)} once, for example {''.join(letters)}")
    return said


def _one_of(text: str, known: str) -> str:
    said = text.strip()
    if len(said) != 1 or said not in known:
        raise typer.BadParameter(f"type one of {', '.join(known)}")
    return said


def _ids(found: Morph) -> list[int]:
    return [stop.id for stop in found.stops if stop.id is not None]


def _draw(
    opened: Collection, captioned: Sequence[tuple[int, str]], drawn: Path, columns: int | None = None
) -> None:
    """Draw images with captions that do not tell their names; without one of them there is no question."""
    from i2v_search.cli import show
    from i2v_search.pictures.drawing.cards import Tile
    from i2v_search.pictures.drawing.sheets import contact_sheet
    from i2v_search.pictures.thumbnails import thumbnails

    unread: list[Skipped] = []
    found = list(thumbnails(opened, [image for image, _ in captioned], 200, on_missing=unread.append))
    if None in found:
        show.skipped(tuple(unread), show.err, "not readable")
        show.err.print(
            "Stopped: nobody can judge pictures that are not there. Connect their disk, or if they were "
            "moved, run: i2v-search relocate"
        )
        raise typer.Exit(1)
    tiles = [
        Tile(picture, caption)
        for picture, (_, caption) in zip(found, captioned, strict=True)
        if picture is not None
    ]
    contact_sheet(tiles, columns=columns or len(tiles)).save(drawn)
