"""``i2v-search dataset``: details of a data set, and its annotations in one form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2v_search.cli.options import (
    DEFAULT,
    CollectionOption,
    JsonOption,
    PathsOption,
    TagsOption,
    filter_of,
    open_collection,
)

if TYPE_CHECKING:
    from i2v_search.training.datasets.facts import DatasetFacts

datasets_app = typer.Typer(
    name="dataset",
    help="Inspect and convert data sets for training.",
    no_args_is_help=True,
)

SHOWN = 12


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


@datasets_app.command(
    "convert", epilog="Example: i2v-search dataset convert danbooru/ --out danbooru/tags.jsonl"
)
def convert(
    dataset: Annotated[Path, typer.Argument(help="Folder, archive or metadata file of a data set.")],
    out: Annotated[Path, typer.Option("--out", help="New tags.jsonl, in the folder of the pictures.")],
    json: JsonOption = False,
) -> None:
    """Write the annotations of a data set of any form as tags.jsonl."""
    from i2v_search.cli import show
    from i2v_search.training.datasets.converting import convert_dataset

    found = convert_dataset(dataset, out)
    if json:
        show.as_json({"pictures": len(found), "missing": len(found.skipped), "file": str(out)})
    else:
        show.out.print(f"{len(found):,} pictures, {len(found.skipped):,} missing: {out}", markup=False)


@datasets_app.command("write", epilog="Example: i2v-search dataset write shared/ --tags 'bird' -c index/art")
def write(
    folder: Annotated[Path, typer.Argument(help="New folder.")],
    collection: CollectionOption = DEFAULT,
    tags: TagsOption = "",
    path: PathsOption = None,
    json: JsonOption = False,
) -> None:
    """Copy pictures of a collection, with their tags, into an image folder of Hugging Face's datasets."""
    from i2v_search.cli import show
    from i2v_search.collection.image_folder import write_image_folder

    opened = open_collection(collection)
    with show.progress() as report:
        done = write_image_folder(opened, folder, filter_of(tags, path, None, None), report=report)
    if json:
        show.as_json(done.to_dict())
        return
    show.out.print(f"{done.images:,} pictures, {done.bytes / 1e6:,.1f} MB: {done.folder}", markup=False)
    if done.skipped:
        show.skipped(done.skipped, show.err, "not copied")
        raise typer.Exit(1)


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
