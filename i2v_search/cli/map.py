"""``i2v-search map``: a two-dimensional map of a collection, as an image or a web page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2v_search.choices import MapMethod
from i2v_search.cli.options import (
    DEFAULT,
    CollectionOption,
    ExplicitOption,
    JsonOption,
    PathsOption,
    RatingOption,
    TagsOption,
    filter_of,
    open_collection,
    takes_conditions,
)

if TYPE_CHECKING:
    from i2v_search.collection.collection import Collection
    from i2v_search.images.sources import Skipped
    from i2v_search.index.mapping import CollectionMap


@takes_conditions()
def draw_map(
    collection: CollectionOption = DEFAULT,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Output file: image (.png), web page (.html) or table (.parquet).",
        ),
    ] = None,
    method: Annotated[
        MapMethod,
        typer.Option("--method", help="Projection: tsne separates groups best; pca needs no extra package."),
    ] = "auto",
    images: Annotated[
        int,
        typer.Option(
            "--images", "-n", min=1, help="Maximum number of images; a larger collection is sampled evenly."
        ),
    ] = 20_000,
    tags: TagsOption = "",
    path: PathsOption = None,
    rating: RatingOption = None,
    max_explicit: ExplicitOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed.")] = 0,
    json: JsonOption = False,
    **conditions: Any,
) -> None:
    """Draw a two-dimensional map of a collection, similar images close together.

    The web page is one file that needs no network: it supports moving, zooming, search and looking up paths.
    """
    from platformdirs import user_cache_path

    from i2v_search.cli import show
    from i2v_search.index.map_cache import MapCache

    if out is None and not json:
        raise typer.BadParameter("give --out map.png or --out map.html, or --json")
    if out is not None and out.suffix.lower() not in {".png", ".html", ".htm", ".parquet"}:
        raise typer.BadParameter(f"--out must end in .png, .html or .parquet, not {out.suffix or out.name!r}")
    opened, cache = open_collection(collection), MapCache(user_cache_path("i2v-search") / "maps")
    missing: list[Skipped] = []
    with show.progress() as report:
        drawn = opened.map(
            method=method,
            images=images,
            where=filter_of(tags, path, rating, max_explicit, **conditions),
            seed=seed,
            cache=cache,
            report=report,
        )
        if out is not None:
            _write(opened, drawn, out, {"report": report, "on_missing": missing.append, "cache": cache})
    if json:
        show.as_json(drawn.to_dict())
    else:
        for line in _facts(drawn, asked=method):
            show.out.print(line, markup=False)
        show.out.print(f"wrote {out}", markup=False)
    show.undrawn(missing, opened)


def _write(collection: Collection, drawn: CollectionMap, out: Path, options: dict[str, Any]) -> None:
    from i2v_search.cli import show
    from i2v_search.files import write_atomically
    from i2v_search.pictures.map_drawing import map_picture
    from i2v_search.pictures.map_page import map_page

    if out.suffix.lower() == ".parquet":
        from i2v_search.pictures.map_table import write_map_table

        options.pop("cache")
        out.parent.mkdir(parents=True, exist_ok=True)
        write_map_table(collection, drawn, out, **options)
    elif out.suffix.lower() == ".png":
        show.save(map_picture(collection, drawn, **options), out, quiet=True)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, map_page(collection, drawn, **options))


def _facts(drawn: CollectionMap, *, asked: MapMethod) -> list[str]:
    from i2v_search.index.mapping import INSTALL, METHOD_NAMES, choose_method

    count = len(drawn.ids)
    shown = f"{count} images"
    if drawn.total > count:
        shown = f"an even sample of {count} of {drawn.total} images (more with --images)"
    facts = f"{shown}, {METHOD_NAMES[drawn.method]}, {drawn.seconds:.1f} s"
    if drawn.neighbours_kept is not None:
        facts += f"; {drawn.neighbours_kept:.0%} of the 10 nearest neighbours are preserved"
    if asked == "auto" and choose_method("auto") == "pca":
        return [facts, f"For a map that separates groups better, install openTSNE: {INSTALL}"]
    return [facts]
