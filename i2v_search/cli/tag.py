"""``i2v-search tag``: what images show, in words."""

from __future__ import annotations

import csv
import json as json_module
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.choices import Device, Engine, Rule
from i2v_search.cli.options import ExcludeOption, ImagesArgument

if TYPE_CHECKING:
    from i2v_search.tagging import TaggedImage


def tag(
    images: ImagesArgument,
    tagger: Annotated[
        str | None, typer.Option("--tagger", help="Default: the only imported one, or lite.")
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Tags above this probability.")] = 0.25,
    rule: Annotated[
        Rule, typer.Option(help="One threshold, or each tag's own for the best F score.")
    ] = "constant",
    top: Annotated[
        int | None, typer.Option("--top", "-k", min=1, help="The best of each category instead.")
    ] = None,
    sidecar: Annotated[
        bool, typer.Option("--sidecar", help="Write a caption with the tags beside each file; see below.")
    ] = False,
    append: Annotated[
        bool, typer.Option("--append", help="With --sidecar: add the tags that a caption lacks.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --sidecar: replace captions that are there.")
    ] = False,
    exclude: ExcludeOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    csv_: Annotated[bool, typer.Option("--csv", help="Print CSV: path, category, tag, probability.")] = False,
    device: Annotated[Device, typer.Option("--device", help="Where the tagger runs.")] = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads of the tagger.")
    ] = None,
) -> None:
    """Tag images: general, character, copyright, rating.

    The caption of pic.png is pic.txt, or pic.png.txt where there is a pic.jpg too. A caption that is there
    already stays as it is, and the exit code is 1, unless you say --append or --overwrite.
    """
    from i2v_search.captions import CaptionWriter
    from i2v_search.cli import show
    from i2v_search.encoders import load_tagger
    from i2v_search.sources import Skipped, image_root
    from i2v_search.tagging import tag_images
    from i2v_search.unread import Tally

    if json and csv_:
        raise typer.BadParameter("choose one of --json and --csv")
    if append and overwrite:
        raise typer.BadParameter("choose one of --append and --overwrite")
    if (append or overwrite) and not sidecar:
        raise typer.BadParameter("--append and --overwrite go with --sidecar")
    loaded = load_tagger(tagger, Engine(device, threads))
    skipped: list[Skipped] = []
    kept: list[Skipped] = []
    tally = Tally()
    captions = CaptionWriter(image_root(images), "append" if append else "overwrite" if overwrite else "keep")
    write = _write_json if json else _write_csv if csv_ else show.tags
    if csv_:
        csv.writer(sys.stdout).writerow(["path", "category", "tag", "probability"])
    for item in tag_images(
        images, loaded, threshold=threshold, rule=rule, top=top, exclude=exclude or (), tally=tally
    ):
        if isinstance(item, Skipped):
            skipped.append(item)
            continue
        write(item)
        if sidecar and (problem := captions.write(item.path, item.tags)):
            kept.append(problem)
    show.skipped(tuple(skipped), show.err)
    show.not_read(tally.counted(), show.err)
    show.captions(captions, kept)
    if kept:
        raise typer.Exit(1)


def _write_json(item: TaggedImage) -> None:
    from i2v_search.escapes import printable

    sys.stdout.write(json_module.dumps({"path": printable(item.path), **item.tags.to_dict()}) + "\n")


def _write_csv(item: TaggedImage) -> None:
    from i2v_search.escapes import printable

    rows = csv.writer(sys.stdout)
    for category, tags in item.tags.to_dict().items():
        rows.writerows((printable(item.path), category, name, f"{value:.4f}") for name, value in tags)
