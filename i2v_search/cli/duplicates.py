"""``i2v-search duplicates``: duplicate images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.choices import DuplicateKind
from i2v_search.cli.options import DEFAULT, CollectionOption, JsonOption, NullOption, paths_only_of

if TYPE_CHECKING:
    from i2v_search.images.sources import Skipped
    from i2v_search.search.duplicates.groups import Duplicates


def duplicates(
    collection: CollectionOption = DEFAULT,
    kind: Annotated[
        DuplicateKind,
        typer.Option(
            help="file: identical files; pixels: also identical pixels; near: also re-encoded, resized "
            "or retouched; variants: also images with one difference."
        ),
    ] = "near",
    threshold: Annotated[
        float, typer.Option(min=0.01, max=1, help="Minimum cosine of images whose pixels are compared.")
    ] = 0.9,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet, one row per group (PNG, JPEG, WebP).")
    ] = None,
    paths_only: Annotated[
        bool,
        typer.Option("--paths-only", "-f", help="Print only the paths of removable copies, one per line."),
    ] = False,
    null: NullOption = False,
    json: JsonOption = False,
) -> None:
    """Find duplicate images and suggest which copy to keep. Deletes nothing."""
    from i2v_search.cli import show
    from i2v_search.cli.console import paths
    from i2v_search.collection.collection import Collection

    paths_only = paths_only_of(paths_only, null, json)
    opened = Collection.open(collection)
    with show.progress() as report:
        found = opened.duplicates(kind=kind, threshold=threshold, report=report)
    missing: list[Skipped] = []
    if sheet is not None and found.groups:
        from i2v_search.pictures.contact_sheets import duplicates_picture

        picture = duplicates_picture(opened, found, on_missing=missing.append)
        show.save(picture, sheet, quiet=json or paths_only)
    if json:
        show.as_json(found.to_dict())
    elif paths_only:
        copies = (copy for group in found.groups for copy in group.removable)
        paths((opened.file_path(copy.id) for copy in copies), null=null)
    else:
        _show(found)
    if not json:
        show.skipped(found.unreadable, show.err)
    show.undrawn(missing, opened)


def _show(found: Duplicates) -> None:
    """Print the groups as a table, the best of each first."""
    from rich.markup import escape
    from rich.table import Table

    from i2v_search.cli import show
    from i2v_search.search.duplicates.groups import size_text

    if not found.groups:
        show.out.print("No duplicates found; --kind variants finds looser groups.")
        return
    table = Table(box=None, header_style="bold")
    for heading in ("", "score", "id", "pixels", "size"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    table.add_column("path", overflow="fold")
    for group in found.groups:
        for member in group.members:
            table.add_row(
                member.kind or "[bold green]keep[/bold green]",
                f"{member.score:.3f}" if member.kind else "",
                str(member.id),
                f"{member.width} x {member.height}",
                size_text(member.bytes),
                escape(member.path),
            )
        table.add_row()
    show.out.print(table)
    copies = sum(len(group.copies) for group in found.groups)
    show.out.print(
        f"[dim]{len(found.groups)} group{'' if len(found.groups) == 1 else 's'} with {copies} "
        f"{'copy' if copies == 1 else 'copies'}, {size_text(found.freed_bytes)}, "
        f"in {found.seconds:.1f} s; --paths-only lists the files of the copies[/dim]"
    )
