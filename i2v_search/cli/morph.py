"""``i2v-search morph``: a morph between two images, as a table, JSON, a strip, an animation or a map."""

from __future__ import annotations

from math import degrees, floor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2v_search.arguments import read_whole, shown
from i2v_search.choices import MorphMethod
from i2v_search.cli.options import (
    DEFAULT,
    BackendOption,
    CollectionOption,
    ExplicitOption,
    JsonOption,
    MilvusOption,
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
    from i2v_search.morph.stops import Morph
    from i2v_search.morph.verdict import Verdict

#: A largest hop up to this many times the best possible is as good, to the eye.
_AS_GOOD = 1.005
#: An end is alone if its nearest image is so many degrees away, told in steps, and so much of the hop.
_FAR, _ROUGHLY, _MADE_BY_IT = 50, 5, 0.9


@takes_conditions()
def morph(
    a: Annotated[str, typer.Argument(help="Image file, id or path in the collection, or words.")],
    b: Annotated[str, typer.Argument(help="Image file, id or path in the collection, or words.")],
    collection: CollectionOption = DEFAULT,
    via: Annotated[
        list[str] | None, typer.Option("--via", help="Waypoint image or words; repeatable, in this order.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--avoid", help="Id or path of an image to avoid; repeatable."),
    ] = None,
    steps: Annotated[
        str, typer.Option("--steps", "-n", help="Number of images between A and B, or auto.")
    ] = "4",
    method: Annotated[
        MorphMethod,
        typer.Option(
            help="gradual: smallest largest hop for the given steps; geodesic, minimax: path in the "
            "neighbour graph; line: near the straight line."
        ),
    ] = "gradual",
    tags: TagsOption = "",
    path: PathsOption = None,
    rating: RatingOption = None,
    max_explicit: ExplicitOption = None,
    strip: Annotated[Path | None, typer.Option(help="Write a morph strip (PNG, JPEG, WebP).")] = None,
    animation: Annotated[
        Path | None,
        typer.Option(help="Write an animation that fades from A to B and back (.webp, .gif)."),
    ] = None,
    drawing: Annotated[
        Path | None, typer.Option("--map", help="Write a map of the morph and its neighbours (PNG).")
    ] = None,
    judges: Annotated[
        list[str] | None,
        typer.Option(
            "--judge",
            help="Say how gradual the morph is to what found no path: colour, structure, tags, an encoder, "
            "or all; repeatable.",
        ),
    ] = None,
    backend: BackendOption = "faiss",
    milvus_uri: MilvusOption = None,
    json: JsonOption = False,
    **conditions: Any,
) -> None:
    """Find a morph: a path of real images that gradually connects image A and image B.

    Words stand for the image that they find first; the table shows both.
    """
    from i2v_search.cli import show

    count = _steps_of(steps)
    if animation is not None and animation.suffix.lower() not in {".webp", ".gif"}:
        raise typer.BadParameter(f"--animation must end in .webp or .gif, not {animation.name!r}")
    opened = open_collection(collection, backend, milvus_uri)
    filters: dict[str, Any] = {
        "exclude": exclude or (),
        "where": filter_of(tags, path, rating, max_explicit, **conditions),
    }
    found = opened.morph(a, b, via=via or (), steps=count, method=method, **filters)
    missing = _write(opened, found, (strip, animation, drawing), filters, quiet=json)
    verdict = None if judges is None else _verdict(opened, found, judges, missing)
    if json:
        show.as_json(found.to_dict() | ({} if verdict is None else {"verdict": verdict.to_dict()}))
    else:
        print_morph(found)
        if verdict is not None:
            print_verdict(verdict)
    show.undrawn(missing, opened)


def print_morph(found: Morph) -> None:
    """Print a morph as a table, with its quality in words below."""
    from rich.markup import escape
    from rich.table import Table

    from i2v_search.cli import show
    from i2v_search.escapes import visible

    places = _places(found)
    ids = ["" if stop.id is None else str(stop.id) for stop in found.stops]
    table = Table(box=None, header_style="bold")
    widths = {"#": max(map(len, places)), "id": max(2, *map(len, ids)), "hop": 4, "progress": 8}
    paths = [visible(stop.path) + (f' ("{visible(stop.text)}")' if stop.text else "") for stop in found.stops]
    for_paths, for_tags = show.text_widths(paths, [*widths.values()], "tags")
    for heading in ("#", "id", "image", "hop", "progress"):
        if heading == "image":
            table.add_column(heading, overflow="fold", min_width=for_paths)
        else:
            table.add_column(heading, justify="right", min_width=widths[heading])
    table.add_column("tags", overflow="ellipsis", no_wrap=True, max_width=for_tags)
    for place, number, path, stop in zip(places, ids, paths, found.stops, strict=True):
        table.add_row(
            place,
            number,
            escape(path),
            "" if place == "A" else f"{degrees(stop.hop):.0f}°",
            f"{stop.progress:.0%}",
            escape(", ".join(stop.tags)),
        )
    show.out.print(table)
    for line in quality_lines(found):
        show.out.print(f"[dim]{escape(line)}[/dim]")
    if found.gaps:
        gaps = "a gap" if found.gaps == 1 else f"{found.gaps} gaps"
        show.out.print(f"[yellow]The morph crosses {gaps} that no image of the collection fills.[/yellow]")


def print_verdict(verdict: Verdict) -> None:
    """Print what a committee says of a morph, a line for each judge."""
    from rich.markup import escape
    from rich.table import Table

    from i2v_search.cli import show

    table = Table(box=None, header_style="bold")
    for heading in ("judge", "largest step", "mean step", "order", "its own order"):
        table.add_column(heading, justify="left" if heading == "judge" else "right")
    for name, opinion in verdict.opinions.items():
        order = "" if opinion.order is None else f"{opinion.order:+.2f}"
        own = "the same" if opinion.is_restored else " ".join(map(str, opinion.restored))
        table.add_row(escape(name), f"{opinion.largest_step:.2f}", f"{opinion.mean_step:.2f}", order, own)
    show.out.print(table)
    if verdict.agreement is not None:
        show.out.print(
            f"[dim]order: Kendall's tau with the way from A to B; the judges' own orders agree by "
            f"{verdict.agreement:+.2f}.[/dim]"
        )


def _verdict(collection: Collection, found: Morph, judges: list[str], missing: list[Skipped]) -> Verdict:
    from i2v_search.pictures.committee import committee_of, judge_morph

    names = [one for name in judges for one in (committee_of(collection) if name == "all" else (name,))]
    seen = {one.path for one in missing}
    return judge_morph(
        collection,
        found,
        list(dict.fromkeys(names)),
        on_missing=lambda one: None if one.path in seen else missing.append(one),
    )


def quality_lines(found: Morph) -> list[str]:
    """Quality of a morph, in words."""
    quality = found.quality
    largest = quality.hops.index(quality.largest_hop) + 1
    between = " to ".join(_places(found)[largest - 1 : largest + 1])
    hop = f"Largest hop {degrees(quality.largest_hop):.0f}° ({between})"
    if quality.regret is None or quality.bottleneck is None:
        hop += f", the mean {degrees(quality.mean_hop):.0f}°"
    elif quality.regret <= _AS_GOOD:
        hop += ", the smallest possible between the two"
    else:
        best = f"{degrees(quality.bottleneck):.0f}°, with any number of images"
        hop += f", {quality.regret:.2f} times the smallest possible ({best})"
    hops = len(quality.hops)
    back = hops - round(quality.monotonicity * hops)
    same = quality.near_duplicates + quality.repeats
    hubs = round((quality.hub_share or 0) * (hops - 1))
    remarks = [f"{found.method} in {found.seconds * 1000:.0f} ms"]
    if back:
        remarks.append(f"{back} of {hops} hops {'lead' if back > 1 else 'leads'} back towards A")
    else:
        remarks.append("every hop leads towards B")
    if same:
        remarks.append(f"{same} pairs of near copies" if same > 1 else "1 pair of near copies")
    if hubs:
        remarks.append(f"{hubs} images occur on many morphs" if hubs > 1 else "1 image occurs on many morphs")
    return [f"{hop}.", f"{'; '.join(remarks)}.", *_lonely(found)]


def _lonely(found: Morph) -> list[str]:
    """A line for each end that makes the jump to it: nothing in the collection is like it."""
    hops, alone = found.quality.hops, found.quality.alone
    return [
        f"{end} has nothing like it within {floor(degrees(near) / _ROUGHLY) * _ROUGHLY}°."
        for end, near, hop in zip("AB", alone or (), (hops[0], hops[-1]), strict=False)
        if degrees(near) >= _FAR and hop >= max(hops) / _AS_GOOD and near >= hop * _MADE_BY_IT
    ]


def _places(found: Morph) -> list[str]:
    """Label of each image, with the letters of waypoints that pictures use."""
    from i2v_search.pictures.drawing.strips import LETTERS

    letters = iter(LETTERS)
    between = [
        f"via {next(letters, '+')}" if stop.waypoint else str(number)
        for number, stop in enumerate(found.stops[1:-1], 1)
    ]
    return ["A", *between, "B"]


def _steps_of(text: str) -> int | None:
    """The number in ``--steps``, None for auto."""
    if text == "auto":
        return None
    if (steps := read_whole(text)) is None:
        raise typer.BadParameter(f"--steps must be a whole number of at least 0, or auto, not {shown(text)}")
    return steps


def _write(
    collection: Collection,
    found: Morph,
    files: tuple[Path | None, Path | None, Path | None],
    filters: dict[str, Any],
    *,
    quiet: bool,
) -> list[Skipped]:
    """Write the requested pictures: strip, animation, map. Returns the images that they lack."""
    from i2v_search.cli import show
    from i2v_search.pictures.animation import morph_animation
    from i2v_search.pictures.morph_strips import morph_map_picture, morph_picture

    missing: list[Skipped] = []
    strip, animation, drawing = files
    if strip is not None:
        show.save(morph_picture(collection, found, on_missing=missing.append), strip, quiet=quiet)
    if animation is not None:
        made = morph_animation(
            collection,
            found,
            format="gif" if animation.suffix.lower() == ".gif" else "webp",
            on_missing=missing.append,
        )
        made.save(animation)
        if not quiet:
            size = (
                f"{made.frames} frames of {made.size[0]} x {made.size[1]}, {len(made.content) / 1e6:.1f} MB"
            )
            show.out.print(f"wrote {animation}: {size}", markup=False)
    if drawing is not None:
        drawn = collection.morph_map(found, **filters)
        picture = morph_map_picture(collection, drawn, on_missing=missing.append)
        show.save(picture, drawing, quiet=quiet)
    return missing
