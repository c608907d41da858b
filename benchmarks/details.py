"""Parts of pictures as queries, with and without details: what they find, where, and what they cost.

``python -m benchmarks.details [crops] [scenes] [cost] [scan]``

``crops`` and ``scenes`` need ``make datasets`` (folder ``data``, or ``$I2V_SEARCH_DATA``): clip art, of which
heads were marked by hand.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.timing import interleave, run_parts, table
from i2v_search import Collection, Example, sample_directory
from i2v_search.images.crops import Box, cut
from i2v_search.images.decoding import load_image
from i2v_search.images.metadata.annotations import FILE_NAME
from i2v_search.search.view_forms import view_method
from i2v_search.search.views import ViewSearch
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import EncoderRecord, Manifest
from i2v_search.store.view_file import ViewFile, Views, ViewWriter, view_path
from i2v_search.store.writer import StoreWriter, WriterLock

PICTURES, PAGES, ROUNDS = 300, 40, 7
WHOLE = (0.0, 0.0, 1.0, 1.0)
#: A part without anything drawn on it is no query: smallest standard deviation of its grey levels.
LEAST_DRAWN = 25
#: Of drawings on a page: its side in pixels, and how many stand beside and above one another.
PAGE, ACROSS = 900, 2
#: Heads of animals and people in the clip art, by path: left, top, width, height.
HEADS: dict[str, Box] = {
    "animals/mammals/elephant-outline-matthe-r.webp": (0.58, 0, 0.42, 0.75),
    "animals/mammals/big-cats/tigre02-architetto-franc-01.webp": (0.4, 0.08, 0.5, 0.5),
    "animals/dinosaurs/dino-architetto-francesc-06.webp": (0.78, 0.45, 0.22, 0.3),
    "people/a-man-singing-01.webp": (0.35, 0, 0.5, 0.5),
    "people/water-fight-ganson1.webp": (0.3, 0, 0.35, 0.3),
    "people/xbill-01.webp": (0, 0, 0.95, 0.55),
    "animals/birds/uccello-profilo-01-archi-01.webp": (0, 0, 0.3, 0.35),
    "animals/birds/pollo-architetto-frances-01.webp": (0.05, 0, 0.3, 0.4),
    "animals/mammals/housecats/gatto-cat-architetto-fra-01.webp": (0.5, 0, 0.5, 0.5),
    "animals/dinosaurs/dinosauro-architetto-fra-01.webp": (0, 0.45, 0.25, 0.3),
    "animals/dinosaurs/dinosauri-architetto-fra-02.webp": (0.55, 0, 0.45, 0.85),
    "animals/mammals/big-cats/leone-01-architetto-fran-01.webp": (0.45, 0, 0.55, 0.6),
    "animals/mammals/bears/orso-architetto-francesc-02.webp": (0.3, 0, 0.45, 0.7),
    "animals/mammals/big-cats/tigre01-architetto-franc-01.webp": (0, 0, 0.35, 0.4),
    "animals/mammals/topo-architetto-francesc-01.webp": (0.55, 0.25, 0.45, 0.5),
    "people/golf-drive-ganson.webp": (0.3, 0, 0.3, 0.2),
    "animals/birds/flamand-jean-victor-bali-01.webp": (0, 0, 0.45, 0.5),
    "people/kid-01.webp": (0.35, 0, 0.3, 0.25),
    "animals/mammals/housecats/sleeping-cat-rgolan-sup-r.webp": (0.05, 0.12, 0.45, 0.8),
    "animals/dinosaurs/dino-architetto-francesc-07.webp": (0, 0, 0.35, 0.35),
    "animals/birds/emperor-penguin-ralf-ste-01.webp": (0.1, 0, 0.35, 0.25),
    "animals/mammals/big-cats/leone-02-architetto-fran-01.webp": (0, 0, 0.45, 0.75),
    "animals/dinosaurs/dino-architetto-francesc-05.webp": (0.75, 0.25, 0.25, 0.4),
    "animals/birds/crow-01.webp": (0, 0, 0.5, 0.3),
    "animals/birds/aquila-frontale-architet-01.webp": (0.3, 0.2, 0.25, 0.4),
    "animals/birds/uccello-bianco-e-nero-ar-01.webp": (0.15, 0, 0.85, 0.35),
    "animals/birds/hen-01.webp": (0, 0, 0.35, 0.45),
    "animals/mammals/horses/cavallo-architetto-franc-05.webp": (0, 0, 0.4, 0.4),
    "people/pattinatrice-architetto-01.webp": (0.25, 0.2, 0.25, 0.3),
    "people/woman-nurse-gerald-g-01.webp": (0.1, 0, 0.8, 0.25),
    "animals/mammals/dogs/bulldog-puppy-ganson.webp": (0.3, 0.05, 0.5, 0.5),
    "people/io-donna-uomo-architetto-01.webp": (0.15, 0.1, 0.3, 0.25),
    "animals/mammals/housecats/gattina-cat-architetto-f-01.webp": (0.05, 0, 0.4, 0.55),
    "animals/birds/bird-of-peace-mauro-oliv-01.webp": (0.05, 0, 0.4, 0.4),
    "people/signorina-architetto-fra-01.webp": (0, 0, 1, 0.5),
}


def crops_part(command: str) -> str:
    """Heads, and parts at random places, among the pictures they are of."""
    folder, chosen = _clip_art(), random.Random(1)
    others = sorted({path for path in _paths(folder) if path not in HEADS})
    pictures = [*HEADS, *chosen.sample(others, PICTURES - len(HEADS))]
    queries: dict[str, list[tuple[str, Image.Image]]] = {"a head": [], "40 % of the sides": []}
    for path in pictures:
        picture = load_image(folder / path)
        if path in HEADS:
            queries["a head"].append((path, cut(picture, HEADS[path])))
        queries["40 % of the sides"] += [(path, part) for part in _drawn_parts(picture, 0.4, chosen)]
    rows = []
    with _built([folder / path for path in pictures]) as collection:
        for name, asked in queries.items():
            # A picture is given as it is, and as a part, which details are for.
            for crop, told in ((None, "the pictures"), (WHOLE, "with details")):
                found = collection.search_each([Example(part, crop=crop) for _, part in asked], top=10)
                names = [[Path(hit.path).name for hit in one.hits] for one in found]
                first, ten = (
                    np.mean([Path(path).name in one[:n] for (path, _), one in zip(asked, names, strict=True)])
                    for n in (1, 10)
                )
                rows.append((name, told, str(len(asked)), f"{first:.2f}", f"{ten:.2f}"))
    return f"Parts of pictures among {len(pictures)} pieces of clip art; {command}\n\n" + table(
        ("query", "compared with", "queries", "R@1", "R@10"), rows
    )


def scenes_part(command: str) -> str:
    """Drawings as queries among pages of several: is the right page first, and is the box right?"""
    folder, chosen = _clip_art(), random.Random(2)
    paths = chosen.sample(sorted(_paths(folder)), PAGES * ACROSS**2)
    with tempfile.TemporaryDirectory() as scratch:
        pages, queries = [], []
        for number in range(PAGES):
            page, boxes = _page([folder / path for path in paths[number::PAGES]], chosen)
            pages.append(Path(scratch) / f"{number:03d}.png")
            page.save(pages[-1])
            place = chosen.randrange(len(boxes))
            queries.append((paths[number::PAGES][place], boxes[place]))
        rows = []
        with _built(pages) as collection:
            for crop, told in ((None, "the pages"), (WHOLE, "with details")):
                asked = [Example(os.fspath(folder / path), crop=crop) for path, _ in queries]
                hits = [one.hits for one in collection.search_each(asked, top=PAGES)]
                own = [
                    next(hit for hit in found if hit.path == page.name)
                    for found, page in zip(hits, pages, strict=True)
                ]
                pairs = zip(own, queries, strict=True)
                right = np.mean([_overlap(hit.box or WHOLE, box) >= 0.5 for hit, (_, box) in pairs])
                first = np.mean([hit.rank == 1 for hit in own])
                rows.append((told, f"{first:.2f}", f"{right:.2f}"))
    header = ("compared with", "page first", "box overlaps by half (IoU)")
    return f"One drawing of {ACROSS**2} on each of {PAGES} pages; {command}\n\n" + table(header, rows)


def cost_part(command: str) -> str:
    """Time of a build of the sample, and bytes, with lines and details."""
    rows, plain, images = [], 0.0, 0
    kinds = (("neither", False, False), ("lines", True, False), ("details", False, True))
    for told, sketches, details in kinds:
        with tempfile.TemporaryDirectory() as scratch:

            def build(scratch: str = scratch, sketches: bool = sketches, details: bool = details) -> None:
                directory = Path(tempfile.mkdtemp(dir=scratch))
                Collection.extract(
                    directory, [sample_directory() / "birds"], sketches=sketches, details=details
                )

            work = interleave({told: build}, 1).work(told).median
            built = max(Path(scratch).iterdir())
            images = len(Collection.open(built))
            size = sum(path.stat().st_size for path in built.glob("*.cache"))
        plain = plain or work
        rows.append((told, f"{work:.1f} s", f"{work / plain:.1f}", f"{size / images:,.0f}"))
    header = ("besides the vectors", "CPU time", "of that without", "bytes an image")
    return f"Extraction of {images} pictures; {command}\n\n" + table(header, rows)


def scan_part(command: str) -> str:
    """Time to compare a query with all views of a collection."""
    rows = []
    for count in (10_000, 100_000):
        with tempfile.TemporaryDirectory() as scratch:
            search = _random_views(Path(scratch), count)
            query = np.random.default_rng(0).normal(size=256).astype(np.float32)
            query /= np.linalg.norm(query)
            search.scores(query)
            timings = interleave({"scan": partial(search.scores, query)}, ROUNDS)
            rows.append((f"{count:,}", timings.spread("scan").duration))
    return f"Scores by views of 256 numbers; {command}\n\n" + table(("views", "time"), rows)


def _clip_art() -> Path:
    return Path(os.environ.get("I2V_SEARCH_DATA", "data")) / "openclipart"


def _paths(folder: Path) -> list[str]:
    return [json.loads(line)["path"] for line in (folder / FILE_NAME).read_text("utf-8").splitlines()]


@contextmanager
def _built(images: Sequence[Path]) -> Iterator[Collection]:
    """A collection of some pictures, with details."""
    with tempfile.TemporaryDirectory() as scratch:
        yield Collection.build(scratch, images, details=True)


def _drawn_parts(picture: Image.Image, share: float, chosen: random.Random) -> Iterator[Image.Image]:
    for _ in range(20):
        left, top = chosen.uniform(0, 1 - share), chosen.uniform(0, 1 - share)
        part = cut(picture, (left, top, share, share))
        if np.asarray(part.convert("L")).std() > LEAST_DRAWN:
            yield part
            return


def _page(paths: Sequence[Path], chosen: random.Random) -> tuple[Image.Image, list[Box]]:
    """Drawings in a grid on white, each somewhere in its cell; and where they are."""
    page, boxes, cell = Image.new("RGB", (PAGE, PAGE), "white"), [], PAGE // ACROSS
    for number, path in enumerate(paths):
        drawing = load_image(path)
        scale = chosen.uniform(0.6, 0.95) * cell / max(drawing.size)
        size = max(1, round(drawing.width * scale)), max(1, round(drawing.height * scale))
        left = number % ACROSS * cell + chosen.randrange(cell - size[0])
        top = number // ACROSS * cell + chosen.randrange(cell - size[1])
        page.paste(drawing.resize(size), (left, top))
        boxes.append((left / PAGE, top / PAGE, size[0] / PAGE, size[1] / PAGE))
    return page, boxes


def _overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes."""
    sides = [
        max(0.0, min(a + c, b + d) - max(a, b))
        for a, b, c, d in zip(first[:2], second[:2], first[2:], second[2:], strict=True)
    ]
    both = sides[0] * sides[1]
    return both / (first[2] * first[3] + second[2] * second[3] - both)


def _random_views(directory: Path, count: int) -> ViewSearch:
    """Views of as many pictures, of an encoder with 256 numbers."""
    encoder = EncoderRecord(id="random", weights_sha256="0" * 64, preprocessing="none", dimension=256)
    Manifest(encoder=encoder, similarity="centred", image_root=os.fspath(directory)).save(directory)
    numbers, method = np.random.default_rng(1), view_method("lines", encoder)
    with WriterLock(directory):
        writer, views = StoreWriter(directory, Manifest.load(directory)), ViewWriter(directory, method.form)
        for start in range(0, count, 1000):
            rows = numbers.normal(size=(1000, 256)).astype(np.float32)
            names = [hashlib.sha256(b"%d" % (start + n)).hexdigest() for n in range(1000)]
            records = [ImageRecord(f"{start + n}.png", name, 1, 0, 1, 1) for n, name in enumerate(names)]
            writer.append(records, *unit_float16(rows), [None] * 1000)
            codes = numbers.integers(-127, 128, (1000, 1, 256)).astype(np.int8)
            views.append(
                [Views(name, np.array([WHOLE]), code) for name, code in zip(names, codes, strict=True)]
            )
        writer.finish()
        views.close()
    store = FeatureStore(directory)
    return ViewSearch(store, Catalogue(store), ViewFile(view_path(directory, "lines")))


if __name__ == "__main__":
    run_parts(
        "details",
        ("numpy",),
        {"crops": crops_part, "scenes": scenes_part, "cost": cost_part, "scan": scan_part},
    )
