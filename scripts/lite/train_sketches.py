"""Make what the default encoder knows of drawings again: `make lite` runs this after its words.

Takes about five minutes on two idle cores. The data sets are those of `make datasets` whose pictures have
names: concepts that the encoder never learned from are left out here too.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import Device
from i2v_search.cli.bars import progress
from i2v_search.encoders.base import encode_batch
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_head import model_folder
from i2v_search.encoders.lite_sketches import SKETCHES
from i2v_search.encoders.stream import run_batches
from i2v_search.encoders.tensors import write_tensors
from i2v_search.files import write_atomically
from i2v_search.images.decoding import load_image
from i2v_search.images.lines import without_paper
from i2v_search.index.similarity import unit
from i2v_search.progress import Progress, Report
from i2v_search.training.datasets.dataset import read_dataset
from scripts.lite.drawings import draw_lines
from scripts.lite.phrases import read_emoji_names, read_titled
from scripts.lite.recipes.emoji import NAMES
from scripts.lite.recipes.fetching import fetch
from scripts.lite.sketches import SketchRecipe, learn_sketches
from scripts.lite.train_text import held_out_concepts, is_held_out

REPORT = "sketches-report.json"


def main() -> None:
    """Parse the command line, draw, learn, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET", help="folders of data sets")
    parser.add_argument("--out", type=Path, default=model_folder(), help="where the file goes")
    parser.add_argument("--package", type=Path, action="append", default=[], help="emojibase-data, as .tgz")
    parser.add_argument("--threads", type=int, help="of the encoder")
    arguments = parser.parse_args()
    encoder = LiteEncoder(Device(threads=arguments.threads), arguments.out)
    with tempfile.TemporaryDirectory() as scratch, progress() as report:
        names = fetch(NAMES, Path(scratch), arguments.package).file
        document = train_sketches(
            arguments.sets, arguments.out, encoder, SketchRecipe(), names=names, report=report
        )
    print(json.dumps(document, indent=1))


def train_sketches(
    folders: Sequence[Path],
    directory: Path,
    encoder: LiteEncoder,
    recipe: SketchRecipe,
    *,
    names: Path,
    report: Report,
) -> dict[str, object]:
    """Learn from data sets and write ``sketches.safetensors`` and ``sketches-report.json``.

    Args:
        folders: of the data sets, among them ``emoji``.
        directory: where the files go.
        encoder: `lite`, that they are for.
        recipe: settings.
        names: the ``.tgz`` of emojibase-data.
        report: called with the progress.

    Raises:
        RecipeError: the package is damaged.
        ImageError: a picture cannot be read.
    """
    emoji = read_emoji_names(names)
    titled = [read_titled(folder, emoji) for folder in folders]
    held_out = held_out_concepts(folders, titled, emoji)
    random = np.random.default_rng(recipe.seed)
    pictures, drawings, counted = [], [], {}
    for folder, named in zip(folders, titled, strict=True):
        kept = [n for n, one in enumerate(named) if not is_held_out(one, held_out)]
        chosen = np.sort(random.choice(kept, min(recipe.pictures, len(kept)), replace=False))
        dataset = read_dataset(folder)
        contents = [partial(dataset.read, dataset.pictures[row]) for row in chosen]
        rows = _encoded(encoder, contents, report)
        sources = np.array([named[row].path.partition("/")[0] for row in chosen])
        for source in np.unique(sources) if folder.name == "emoji" else [None]:
            mine = sources == source if source is not None else np.ones(len(rows), bool)
            rows[mine] -= rows[mine].mean(axis=0)
        pictures.append(rows)
        seeds = random.integers(0, 2**31, len(chosen)).tolist()
        drawings.append(_encoded(encoder, contents, report, seeds))
        counted[folder.name] = {"pictures": len(named), "drawn": len(chosen)}
    learned = learn_sketches(
        np.vstack(pictures), np.vstack(drawings), recipe, encoder_sha256=encoder.info.weights_sha256
    )
    write_tensors(directory / SKETCHES, learned.to_weights(), {"model": "lite sketches", "licence": "MIT"})
    document: dict[str, object] = {"sets": counted, "recipe": asdict(recipe)}
    write_atomically(directory / REPORT, (json.dumps(document, indent=1) + "\n").encode())
    return document


def _encoded(
    encoder: LiteEncoder, contents: Sequence[Callable[[], bytes]], report: Report, seeds: Sequence[int] = ()
) -> NDArray[np.float32]:
    """(n, 4096) float32 unit rows of pictures, or of a drawing of each where there are seeds for them."""

    def prepare(number: int) -> tuple[None, NDArray[np.uint8]]:
        picture = load_image(contents[number](), shrink_to=encoder.shrink_to)
        if seeds:
            # As a query: what the paper leaves belongs to it.
            picture = without_paper(draw_lines(picture, np.random.default_rng(seeds[number])))
        return None, encoder.prepare(picture)

    rows: list[NDArray[np.float32]] = []
    encode = partial(encode_batch, encoder)
    for batch in run_batches(range(len(contents)), prepare, encode, encoder.batch_size):
        assert batch.output is not None
        rows += list(batch.output.vectors)
        report(Progress("encoding drawings" if seeds else "encoding pictures", len(rows), len(contents)))
    return unit(np.stack(rows))


if __name__ == "__main__":
    main()
