"""Make the tags of the default encoder again from the vectors that its weights give: they stay as they are.

``make lite`` makes the tags after the vectors; this learns them alone, in two minutes once the vectors are
kept in ``--cache``.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from i2v_search.choices import Device
from i2v_search.cli.bars import progress
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_head import model_folder
from i2v_search.training.datasets.dataset import read_dataset
from i2v_search.training.datasets.splitting import split
from scripts.lite.lite import LiteRecipe
from scripts.lite.tag_files import make_tags
from scripts.lite.vectors import read_vectors


def main() -> None:
    """Parse the command line, learn, and print the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET", help="folders of data sets with tags")
    parser.add_argument(
        "--extra", type=Path, action="append", default=[], help="data set without tags; repeatable"
    )
    parser.add_argument("--out", type=Path, default=model_folder(), help="where the tags go")
    parser.add_argument("--cache", type=Path, default=Path("data/vectors"), help="keeps vectors of pictures")
    arguments = parser.parse_args()
    datasets, extra = ([read_dataset(path) for path in paths] for paths in (arguments.sets, arguments.extra))
    encoder, recipe = LiteEncoder(Device(), arguments.out), LiteRecipe()
    with progress() as report:
        found = [read_vectors(encoder, dataset, arguments.cache, report) for dataset in (*datasets, *extra)]
        held_out = split(datasets, validation=recipe.validation, seed=recipe.seed, report=report).validation
        document = make_tags(datasets, extra, np.vstack(found), held_out, arguments.out, recipe.tags, report)
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
