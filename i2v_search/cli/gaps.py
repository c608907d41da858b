"""``i2v-search gaps``: what a collection lacks for its morphs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.cli.options import DEFAULT, CollectionOption, JsonOption, open_collection

if TYPE_CHECKING:
    from i2v_search.images.sources import Skipped


def gaps(
    collection: CollectionOption = DEFAULT,
    top: Annotated[int, typer.Option("--top", "-k", min=1, help="Number of gaps.")] = 10,
    smallest: Annotated[
        int,
        typer.Option(
            min=1,
            help="Images that both sides have at least; from 2 on, images that are like no other are no gap.",
        ),
    ] = 1,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet, one row per gap (PNG, JPEG, WebP).")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Find what is missing: the gaps that images would have to fill for morphs to become more gradual."""
    from i2v_search.cli import show
    from i2v_search.escapes import visible
    from i2v_search.pictures.gap_sheets import gap_line, gaps_picture

    opened = open_collection(collection)
    found = opened.gaps(top, smallest=smallest)
    missing: list[Skipped] = []
    if sheet is not None and found:
        show.save(gaps_picture(opened, found, on_missing=missing.append), sheet, quiet=json)
    if json:
        show.as_json([gap.to_dict() for gap in found])
    elif not found:
        show.out.print(
            "No gap: no two groups of so many images lie apart; try a smaller --smallest."
            if smallest > 1
            else "No gap: no image is apart from the others."
        )
    else:
        for number, gap in enumerate(found, 1):
            show.out.print(f"{number:>2}. {visible(gap_line(gap))}", markup=False)
            for side in gap.sides:
                show.out.print(f"    {visible(side.paths[0])}", markup=False)
        share = sum(gap.share for gap in found)
        these = "This is" if len(found) == 1 else f"These {len(found)} are"
        show.out.print(
            f"[dim]{these} the largest hop of {share:.0%} of all morphs at their best; "
            "--sheet draws what lies around.[/dim]"
        )
    show.undrawn(missing, opened)
