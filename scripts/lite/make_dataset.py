"""Make a data set that `lite` learns from: fetch packages, render their drawings, write tags and licences.

openclipart: public-domain clip art (fetched by apt-get). emoji: emoji in seven styles (npm). characters:
avatars in 33 styles (Python packages of the extra ``lite``). icons: named icons in sixteen styles (npm), for
text and tags. scenes: textures and landscapes without anybody, drawn here, for tags.

    python -m scripts.lite.make_dataset emoji --out data/emoji
"""

import argparse
import sys
from pathlib import Path
from typing import get_args

from i2v_search.cli.bars import progress
from i2v_search.cli.console import out
from i2v_search.errors import RecipeError
from scripts.lite.recipes import DatasetRecipe, make_dataset


def main() -> None:
    """Parse the command line, make the set, and say what it holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="make_dataset"
    )
    parser.add_argument("recipe", choices=get_args(DatasetRecipe), help="what to make")
    parser.add_argument("--out", type=Path, required=True, help="folder of the set; an older one is replaced")
    parser.add_argument(
        "--package",
        type=Path,
        action="append",
        default=[],
        help="a package already downloaded; repeatable; then nothing is downloaded",
    )
    arguments = parser.parse_args()
    try:
        with progress() as report:
            made = make_dataset(arguments.recipe, arguments.out, package=arguments.package, report=report)
    except RecipeError as error:
        sys.exit(f"error: {error}")
    out.print(f"{made.pictures} pictures in {made.folder}", markup=False)
    for title, counts in (("licence", made.licences), ("left out", made.left_out)):
        for name, count in counts.items():
            if count:
                out.print(f"{title} {name}: {count}", markup=False)


if __name__ == "__main__":
    main()
