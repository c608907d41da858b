"""Make what the default encoder knows of words again: `make lite` runs this after the weights of its images.

Takes about ten minutes on two idle cores, half of it to encode the pictures. The data sets are those of
`make datasets`: emoji, clip art and icons. The same data sets, packages and processor give the same bytes.
"""

import argparse
import json
import re
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from i2v_search.choices import Device
from i2v_search.cli.bars import progress
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_head import model_folder
from i2v_search.encoders.lite_text import TEXT
from i2v_search.encoders.networks import efficientnet
from i2v_search.encoders.tensors import write_tensors
from i2v_search.errors import RecipeError
from i2v_search.files import write_atomically
from i2v_search.index.similarity import unit
from i2v_search.progress import Report
from i2v_search.tags.words import split_words
from i2v_search.training.datasets.dataset import read_dataset
from i2v_search.training.datasets.splitting import split
from scripts.lite.lite import LiteRecipe
from scripts.lite.phrases import ENGLISH, Spoken, Titled, read_emoji_names, read_titled
from scripts.lite.recipes.emoji import NAMES
from scripts.lite.recipes.fetching import fetch
from scripts.lite.text import Classes, TextMaterial, TextRecipe, learn_text, pack
from scripts.lite.vectors import read_vectors
from scripts.lite.words import align, choose_words, open_teacher, teach

CLASS_NAMES = "@tensorflow-models/mobilenet"
REPORT = "text-report.json"


def main() -> None:
    """Parse the command line, learn, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET", help="folders of data sets")
    parser.add_argument("--out", type=Path, default=model_folder(), help="where the words go")
    parser.add_argument(
        "--package", type=Path, action="append", default=[], help="emojibase-data and class names, as .tgz"
    )
    parser.add_argument("--cache", type=Path, default=Path("data/vectors"), help="keeps vectors of pictures")
    arguments = parser.parse_args()
    with progress() as report:
        document = train_text(
            arguments.sets,
            arguments.out,
            TextRecipe(),
            package=arguments.package,
            cache=arguments.cache,
            report=report,
        )
    print(json.dumps(document, indent=1))


def train_text(
    folders: Sequence[Path],
    directory: Path,
    recipe: TextRecipe,
    *,
    package: Sequence[Path],
    cache: Path,
    report: Report,
) -> dict[str, object]:
    """Learn from data sets and write ``text.safetensors`` and ``text-report.json``.

    Raises:
        RecipeError: a package is missing or damaged.
        EncoderError: the weights of the image encoder are not in `directory`, or the trunk's are missing.
    """
    with tempfile.TemporaryDirectory() as scratch:
        emoji = read_emoji_names(fetch(NAMES, Path(scratch), package).file)
        names_of_classes = _class_names(fetch(CLASS_NAMES, Path(scratch), package).file)
    encoder = LiteEncoder(Device(), directory)
    titled = [read_titled(folder, emoji) for folder in folders]
    held_out = held_out_concepts(folders, titled, emoji)
    concepts: dict[str, int] = {}
    names: list[Spoken] = []
    vectors, numbers, counted = [], [], {}
    for folder, pictures in zip(folders, titled, strict=True):
        kept = [n for n, one in enumerate(pictures) if not is_held_out(one, held_out)]
        rows = read_vectors(encoder, read_dataset(folder), cache, report)[kept]
        sources = np.array([pictures[n].path.partition("/")[0] for n in kept])
        for source in np.unique(sources) if folder.name == "icons" else [None]:
            mine = sources == source if source is not None else np.ones(len(kept), bool)
            vectors.append(unit(rows[mine] - rows[mine].mean(axis=0)))
            for n in np.array(kept)[mine]:
                one = pictures[n]
                if one.concept not in concepts:
                    concepts[one.concept] = len(names)
                    names.append(one.names)
                numbers.append(concepts[one.concept])
        counted[folder.name] = {"pictures": len(pictures), "training": len(kept)}
    teacher, pieces = open_teacher()
    texts = [
        text
        for spoken in (*emoji.values(), *names)
        for one in spoken.values()
        for text in (one.title, one.title, *one.tags)
    ]
    chosen, weights, counts = choose_words(
        (*texts, *(name for several in names_of_classes for name in several)), pieces
    )
    words = align(teach(chosen, weights, teacher), emoji.values(), teacher)
    classes = Classes(names_of_classes, _classifier())
    material = TextMaterial(np.vstack(vectors), np.array(numbers, np.int64), names, classes)
    network, basis = learn_text(material, words, recipe, report)
    packed = pack(network, basis, words, counts, recipe, encoder_sha256=encoder.info.weights_sha256)
    licence = "MIT; words after Universal Sentence Encoder, Apache-2.0, see docs/model-card.md"
    write_tensors(directory / TEXT, packed.to_weights(), {"model": "lite text", "licence": licence})
    document = {"sets": counted, "concepts": len(names), "words": len(chosen), "recipe": asdict(recipe)}
    write_atomically(directory / REPORT, (json.dumps(document, indent=1) + "\n").encode())
    return document


def held_out_concepts(
    folders: Sequence[Path], titled: Sequence[Sequence[Titled]], emoji: Mapping[str, Spoken]
) -> frozenset[object]:
    """Concepts of the emoji that `lite` did not learn from, and the words of their titles."""
    for folder, pictures in zip(folders, titled, strict=True):
        if folder.name == "emoji":
            recipe = LiteRecipe()
            parts = split([read_dataset(folder)], validation=recipe.validation, seed=recipe.seed)
            held_out = [pictures[row] for row in parts.validation.tolist()]
            titles = {frozenset(split_words(one.names[ENGLISH].title)) for one in held_out}
            return frozenset({one.concept for one in held_out} | titles)
    return frozenset()


def is_held_out(picture: Titled, held_out: frozenset[object]) -> bool:
    """Whether a picture shows one of the concepts."""
    return picture.concept in held_out or frozenset(split_words(picture.names[ENGLISH].title)) in held_out


def _class_names(package: Path) -> list[list[str]]:
    """Names of the classes of ImageNet, in its order."""
    try:
        with tarfile.open(package) as archive:
            member = archive.extractfile("package/dist/imagenet_classes.js")
            text = member.read().decode() if member else ""
    except (OSError, KeyError, tarfile.TarError) as error:
        raise RecipeError(f"{package} is not {CLASS_NAMES} as it was ({error!r})") from error
    entries = re.findall(r"(\d+): ((?:\s*\+?\s*(?:'[^']*'|\"[^\"]*\"))+)", text)
    found = {int(number): "".join(re.findall(r"['\"]([^+]*)['\"]", names)) for number, names in entries}
    if sorted(found) != list(range(1000)):
        raise RecipeError(f"{package} names {len(found)} classes, not 1,000")
    return [found[number].split(", ") for number in range(1000)]


def _classifier() -> np.ndarray:
    """(1000, 1280) float32 unit rows: directions of the trunk's classes, less their mean."""
    import torch

    state = torch.load(efficientnet.weights_path(), map_location="cpu", weights_only=True)
    directions = unit(state["_fc.weight"].numpy())
    return unit(directions - directions.mean(axis=0))


if __name__ == "__main__":
    main()
