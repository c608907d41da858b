"""Make what tells subject from style again: `make lite` runs this after the words of `lite`.

Takes about five minutes on two idle cores, nearly all of it to encode the pictures. Emoji that `lite` never
learned from are left out here too. The same data sets, packages and processor give the same bytes.
"""

import argparse
import hashlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from i2v_search.choices import Device
from i2v_search.cli.bars import progress
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_dials import DIALS
from i2v_search.encoders.lite_head import model_folder
from i2v_search.encoders.tensors import write_tensors
from i2v_search.files import write_atomically
from i2v_search.progress import Report, silent
from i2v_search.training.datasets.dataset import Dataset, Picture, read_dataset
from i2v_search.training.datasets.splitting import split
from scripts.lite.dials import DialsRecipe, learn_dials, standardised
from scripts.lite.lite import LiteRecipe
from scripts.lite.vectors import read_vectors

REPORT = "dials-report.json"


def main() -> None:
    """Parse the command line, encode, learn, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("set", type=Path, metavar="SET", help="folder of a data set of things by vendors")
    parser.add_argument("--extra", type=Path, action="append", default=[], help="more vendors; repeatable")
    parser.add_argument("--out", type=Path, default=model_folder(), help="where the file goes")
    parser.add_argument("--cache", type=Path, help="folder that vectors are kept in")
    parser.add_argument("--threads", type=int, help="of the encoder")
    arguments = parser.parse_args()
    encoder = LiteEncoder(Device(threads=arguments.threads), arguments.out)
    with tempfile.TemporaryDirectory() as scratch, progress() as report:
        document = train_dials(
            arguments.set,
            arguments.extra,
            arguments.out,
            encoder,
            DialsRecipe(),
            cache=arguments.cache or Path(scratch),
            report=report,
        )
    print(json.dumps(document, indent=1))


def train_dials(
    folder: Path,
    extra: Sequence[Path],
    directory: Path,
    encoder: LiteEncoder,
    recipe: DialsRecipe,
    *,
    cache: Path,
    report: Report = silent,
) -> dict[str, object]:
    """Learn from data sets and write ``dials.safetensors`` and ``dials-report.json``.

    Args:
        folder: data set of the same things by several vendors, each with a folder of its own.
        extra: data sets of other vendors.
        directory: where the files go.
        encoder: `lite`, that they are for.
        recipe: settings.
        cache: where vectors are kept.
        report: called with the progress.

    Raises:
        RecipeError: a picture cannot be read.
    """
    dataset, settings = read_dataset(folder), LiteRecipe()
    chosen = split([dataset], validation=settings.validation, seed=settings.seed).training
    taken = [(dataset, [dataset.pictures[row] for row in chosen.tolist()])]
    taken += [(one, first_pictures(one, recipe.pictures)) for one in map(read_dataset, extra)]
    rows, vendors, things = [], [], []
    for one, pictures in taken:
        rows.append(read_vectors(encoder, _only(one, pictures), cache, report))
        vendors += [vendor_of(picture) for picture in pictures]
        things += [f"{one.name}/{picture.group}" for picture in pictures]
    learned = learn_dials(
        standardised(np.vstack(rows)),
        np.array(vendors),
        np.array(things),
        recipe,
        encoder_sha256=encoder.info.weights_sha256,
    )
    write_tensors(directory / DIALS, learned.to_weights(), {"model": "lite dials", "licence": "MIT"})
    counted = {
        one.name: {"pictures": len(pictures), "vendors": len({vendor_of(picture) for picture in pictures})}
        for one, pictures in taken
    }
    document: dict[str, object] = {"sets": counted, "recipe": asdict(recipe)}
    write_atomically(directory / REPORT, (json.dumps(document, indent=1) + "\n").encode())
    return document


def vendor_of(picture: Picture) -> str:
    """Who drew a picture: its first folder."""
    return picture.path.partition("/")[0]


def first_pictures(dataset: Dataset, count: int) -> list[Picture]:
    """Some pictures of each vendor, by a hash of what they show, in the order of the data set."""
    by_vendor: defaultdict[str, list[Picture]] = defaultdict(list)
    for picture in dataset.pictures:
        by_vendor[vendor_of(picture)].append(picture)
    kept = {
        picture.path for pictures in by_vendor.values() for picture in sorted(pictures, key=_hash)[:count]
    }
    return [picture for picture in dataset.pictures if picture.path in kept]


def _hash(picture: Picture) -> tuple[bytes, str]:
    return hashlib.sha256(f"{vendor_of(picture)}/{picture.group}".encode()).digest(), picture.path


def _only(dataset: Dataset, pictures: Sequence[Picture]) -> Dataset:
    return Dataset(dataset.root, tuple(pictures), dataset.name)


if __name__ == "__main__":
    main()
