"""``i2v-search order``: a folder, a search result or a board as the most gradual sequence, or as a grid."""

from __future__ import annotations

from math import degrees
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2v_search.cli.options import (
    DEFAULT,
    CollectionOption,
    ExplicitOption,
    JsonOption,
    NullOption,
    PathsOption,
    RatingOption,
    TagsOption,
    filter_of,
    open_collection,
    paths_only_of,
    takes_conditions,
)

if TYPE_CHECKING:
    from i2v_search.morph.ordering import GradualOrder


@takes_conditions()
def order(
    images: Annotated[
        list[str] | None,
        typer.Argument(help="Ids or paths in the collection; none for all that meet the conditions."),
    ] = None,
    collection: CollectionOption = DEFAULT,
    like: Annotated[
        str | None,
        typer.Option("--like", help="Order the results of a search: image file, id, path or words."),
    ] = None,
    top: Annotated[int, typer.Option("--top", "-k", min=1, help="Number of results of --like.")] = 100,
    tags: TagsOption = "",
    path: PathsOption = None,
    rating: RatingOption = None,
    max_explicit: ExplicitOption = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet in this order (PNG).")] = None,
    grid: Annotated[
        bool,
        typer.Option("--grid", help="Order for a grid: neighbours in rows and in columns are alike."),
    ] = False,
    columns: Annotated[
        int | None,
        typer.Option(min=1, help="Columns of the grid and the sheet (default: what fills a wide screen)."),
    ] = None,
    paths_only: Annotated[
        bool, typer.Option("--paths-only", "-f", help="Print only file paths, one per line.")
    ] = False,
    null: NullOption = False,
    json: JsonOption = False,
    **conditions: Any,
) -> None:
    """Order images so that each is as like the one before it as can be, at most 5,000.

    Choose them by folder (--path), board, tags, name, or a search (--like); below stands how near the order
    is to the best that any order could be.
    """
    from i2v_search.cli import show
    from i2v_search.cli.console import paths
    from i2v_search.escapes import visible
    from i2v_search.pictures.ordered_sheets import columns_for, order_picture

    paths_only = paths_only_of(paths_only, null, json)
    if images and like is not None:
        raise typer.BadParameter("give images, or --like, not both")
    opened = open_collection(collection)
    where = filter_of(tags, path, rating, max_explicit, **conditions)
    chosen: list[str] | list[int] | None = images or None
    if like is not None:
        chosen = [hit.id for hit in opened.search(like, top=top, where=where, exclude_query=False).hits]
    found = opened.order(chosen, where=where)
    if grid:
        found = opened.order(list(found.ids), columns=columns or columns_for(len(found.ids)))
    missing: list[Any] = []
    if sheet is not None:
        picture = order_picture(opened, found, columns=columns, on_missing=missing.append)
        show.save(picture, sheet, quiet=json or paths_only)
    if paths_only:
        paths((opened.file_path(image) for image in found.ids), null=null)
    elif json:
        show.as_json(found.to_dict())
    else:
        for name in found.paths:
            show.out.print(visible(name), markup=False)
        show.out.print(f"[dim]{order_line(found)}[/dim]")
    show.undrawn(missing, opened)


def order_line(found: GradualOrder) -> str:
    """How gradual an order is, in words."""
    quality, count = found.quality, len(found.ids)
    if count < 2:
        return f"{count} image{'' if count == 1 else 's'}."
    mean, least = (degrees(sum_ / (count - 1)) for sum_ in (quality.length, quality.least_length))
    line = (
        f"{count:,} images; hops of {mean:.1f}° in the mean (no order has less than {least:.1f}°), the "
        f"largest {degrees(quality.largest_hop):.0f}° (at least {degrees(quality.least_largest_hop):.0f}°)."
    )
    if found.columns is None:
        return line
    beside = degrees(sum(found.hops) / max(1, len(found.hops)))
    return f"{line} On the grid of {found.columns} columns neighbours are {beside:.1f}° apart in the mean."
