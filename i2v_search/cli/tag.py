"""``i2v-search tag``: tags of images."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from i2v_search.choices import Device, DeviceName, Rule
from i2v_search.cli.options import ExcludeOption, ImagesArgument

if TYPE_CHECKING:
    from i2v_search.encoders.tagging import TaggedImage

Write: TypeAlias = "Callable[[TaggedImage], None]"


def tag(
    images: ImagesArgument,
    tagger: Annotated[
        str | None, typer.Option("--tagger", help="Tagger (default: the only imported one, or lite).")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Minimum probability of a tag (default: each tag's own if it has one, or 0.25).",
        ),
    ] = None,
    rule: Annotated[
        Rule, typer.Option(help="One threshold for all tags, or each tag's own for the best F score.")
    ] = "constant",
    top: Annotated[
        int | None,
        typer.Option("--top", "-k", min=1, help="Number of best tags per category, instead of a threshold."),
    ] = None,
    sidecar: Annotated[
        bool, typer.Option("--sidecar", help="Write the tags to a caption file beside each image; see below.")
    ] = False,
    append: Annotated[
        bool, typer.Option("--append", help="With --sidecar: add missing tags to existing captions.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --sidecar: replace existing captions.")
    ] = False,
    exclude: ExcludeOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines, one object per image.")] = False,
    csv_: Annotated[
        bool, typer.Option("--csv", help="Print CSV with columns path, category, tag, probability.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="With --csv: do not escape text for spreadsheets.")
    ] = False,
    device: Annotated[DeviceName, typer.Option("--device", help="Device of the tagger.")] = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Number of CPU threads of the tagger.")
    ] = None,
) -> None:
    """Tag images with general, character, copyright and rating tags.

    The caption of pic.png is pic.txt, or pic.png.txt if a pic.jpg exists too. An existing caption is kept,
    with exit code 1, unless --append or --overwrite is given.
    """
    from i2v_search.cli import show
    from i2v_search.encoders.registry import load_tagger
    from i2v_search.encoders.tagging import tag_images
    from i2v_search.images.captions import CaptionWriter
    from i2v_search.images.sources import Skipped, image_root
    from i2v_search.images.unread import Tally

    if json and csv_:
        raise typer.BadParameter("use either --json or --csv")
    if raw and not csv_:
        raise typer.BadParameter("--raw requires --csv")
    if append and overwrite:
        raise typer.BadParameter("use either --append or --overwrite")
    if (append or overwrite) and not sidecar:
        raise typer.BadParameter("--append and --overwrite require --sidecar")
    loaded = load_tagger(tagger, Device(device, threads))
    skipped: list[Skipped] = []
    kept: list[Skipped] = []
    tally = Tally()
    root = image_root(images)
    captions = CaptionWriter(root, "append" if append else "overwrite" if overwrite else "keep")
    with ExitStack() as streams:
        write = _write_json if json else _csv_writer(streams, raw=raw) if csv_ else show.tags
        for item in tag_images(
            images, loaded, threshold=threshold, rule=rule, top=top, exclude=exclude or (), tally=tally
        ):
            shown = replace(item, path=_from_here(root, item.path))
            if isinstance(shown, Skipped):
                skipped.append(shown)
                continue
            write(shown)
            if sidecar and (problem := captions.write(item.path, shown.tags)):
                kept.append(replace(problem, path=_from_here(root, problem.path)))
    show.skipped(tuple(skipped), show.err)
    show.not_read(tally.counted(), show.err)
    show.captions(captions, kept)
    if kept:
        raise typer.Exit(1)


def _from_here(root: Path, path: str) -> str:
    """The path of an image from the working directory, unlike the stored path."""
    from i2v_search.images.remote import is_url

    if is_url(path):
        return path
    # Not of `Path` parts: names in archives are no paths.
    return f"{str(root).rstrip('/')}/{path}".removeprefix(f"{str(Path.cwd()).rstrip('/')}/")


def _write_json(item: TaggedImage) -> None:
    from i2v_search.cli.console import json_line
    from i2v_search.escapes import printable

    json_line({"path": printable(item.path), **item.tags.to_dict()})


def _csv_writer(streams: ExitStack, *, raw: bool) -> Write:
    from i2v_search.build.upkeep.csv_tables import CsvTable
    from i2v_search.cli.console import csv_stream

    stream = streams.enter_context(csv_stream())
    table = CsvTable(stream, ["path", "category", "tag", "probability"], raw=raw)

    def write(item: TaggedImage) -> None:
        for category, tags in item.tags.to_dict().items():
            for name, value in tags:
                table.row([item.path, category, name, f"{value:.4f}"])

    return write
