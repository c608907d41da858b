"""``i2v-search verify``, ``compact`` and ``relocate``: maintenance of a collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.cli.options import DEFAULT, CollectionOption, JsonOption

if TYPE_CHECKING:
    from i2v_search.build.upkeep.repairing import Repair


_SHOWN_LOST = 20


def verify(
    collection: CollectionOption = DEFAULT,
    repair: Annotated[
        bool, typer.Option("--repair", help="Drop damaged data and rebuild what is derived from it.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check every file of a collection against its checksum; exit code 1 on a mismatch.

    With --repair, drop damaged rows and files, list what is lost, and exit with 1 only if images are lost.
    """
    from i2v_search.build.upkeep import maintenance
    from i2v_search.cli import show
    from i2v_search.collection.collection import Collection

    repaired = None
    if repair:
        with show.progress() as report:
            repaired = maintenance.repair(collection, report=report)
    opened = Collection.open(collection)
    damages = opened.verify()
    if json:
        done = {} if repaired is None else {"repair": repaired.to_dict()}
        show.as_json({"damages": [damage.to_dict() for damage in damages], **done})
    else:
        if repaired is not None:
            _show_repair(repaired)
        show.damages(damages, opened)
    if damages or not (repaired is None or repaired.complete):
        raise typer.Exit(1)


def compact(collection: CollectionOption = DEFAULT, json: JsonOption = False) -> None:
    """Reclaim the space of removed or replaced images; ids and results stay the same."""
    from i2v_search.build.upkeep import maintenance
    from i2v_search.cli import show

    with show.progress() as report:
        done = maintenance.compact(collection, report=report)
    if json:
        show.as_json(done.to_dict())
    elif not done.dropped:
        show.out.print(f"{done.images:,} images, no dead rows: nothing to do")
    else:
        sizes = f"{done.bytes_before / 1e6:,.1f} MB to {done.bytes_after / 1e6:,.1f} MB"
        show.out.print(f"{done.images:,} images, {done.dropped:,} dead rows dropped: {sizes}")


def relocate(
    old: Annotated[str, typer.Argument(help="Old folder or archive of the images; it need not exist.")],
    new: Annotated[str, typer.Argument(help="New folder or archive of the images.")],
    collection: CollectionOption = DEFAULT,
    force: Annotated[
        bool, typer.Option("--force", help="Continue even if no image is found, e.g. on a disconnected disk.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Update the image paths of a collection from OLD to NEW; nothing is encoded again."""
    from i2v_search.build.upkeep import maintenance
    from i2v_search.cli import show
    from i2v_search.escapes import printable

    with show.progress() as report:
        done = maintenance.relocate(collection, old, new, force=force, report=report)
    if json:
        show.as_json({**done.to_dict(), "image_root": printable(done.image_root)})
        return
    show.out.print(f"{done.moved:,} images moved, {done.found:,} of them found", markup=False)
    if done.missing:
        show.out.print(f"[yellow]{done.missing:,} are missing; the next build drops them.[/yellow]")
    show.out.print(f"image root: {done.image_root}", markup=False)


def _show_repair(repaired: Repair) -> None:
    from rich.markup import escape

    from i2v_search.cli import show

    for damage in repaired.damages:
        show.out.print(f"[red]{escape(damage.file)}[/red]: {escape(damage.problem)}")
    if repaired.lost:
        show.out.print(
            f"[yellow]{len(repaired.lost):,} images lost; to restore them, build from the folder "
            "again:[/yellow]"
        )
    for image in repaired.lost[:_SHOWN_LOST]:
        path = "unreadable path" if image.path is None else image.path
        show.out.print(f"  {image.id} {path}", markup=False)
    if len(repaired.lost) > _SHOWN_LOST:
        show.out.print(f"  ... and {len(repaired.lost) - _SHOWN_LOST:,} more; --json names them all")
    if repaired.index_dropped:
        show.out.print("The index was rebuilt.")
