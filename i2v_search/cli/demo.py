"""``i2v-search demo``: all steps on the bundled sample."""

from __future__ import annotations

import time
from pathlib import Path

from i2v_search.cli import show
from i2v_search.cli.build import show_changes
from i2v_search.cli.morph import print_morph
from i2v_search.collection.collection import Collection
from i2v_search.images.sample import sample_directory
from i2v_search.pictures.contact_sheets import search_picture
from i2v_search.pictures.morph_strips import morph_picture

QUERY = "pixel-art-people/wizard-purple-staff-4-22.webp"
MORPH = ("space-stations/station-sphere.webp", "fruit/an-apple-01.webp")


def run_demo(directory: Path, output: Path) -> None:
    """Build a collection from the sample, run a search and a morph, and write both as pictures.

    Args:
        directory: directory of the collection; reused where it is built already.
        output: folder for the pictures.
    """
    started = time.perf_counter()
    show.out.section("1. Build a collection from a folder of illustrations")
    with show.progress() as report:
        collection = Collection.build(directory, [sample_directory()], report=report)
    show_changes(collection, json=False)
    show.out.section("2. Search for illustrations similar to one")
    result = collection.search(QUERY, top=9)
    show.out.print(f"query: {QUERY}")
    show.hits(result)
    show.out.section("3. Morph: a path of real illustrations between two")
    found = collection.morph(*MORPH)
    print_morph(found)
    show.out.section("4. Pictures")
    output.mkdir(parents=True, exist_ok=True)
    sheet, strip = output / "contact-sheet.png", output / "morph-strip.png"
    search_picture(collection, result, [QUERY]).save(sheet)
    morph_picture(collection, found).save(strip)
    show.out.print(f"wrote {sheet} and {strip} ({time.perf_counter() - started:.1f} s in all)", markup=False)
    show.out.section("Your own illustrations")
    for line in (
        "  i2v-search build ~/Pictures/art",
        "  i2v-search search drawing.png --sheet references.png",
        "  i2v-search morph first.png second.png --strip morph.png",
        "  i2v-search serve",
        f"Web page for this sample: i2v-search serve --collection {directory}",
        "The default collection is index/default (see --collection). All commands: i2v-search --help",
    ):
        show.out.print(line, markup=False)
