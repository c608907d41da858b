"""Recipes that make data sets, drawn or from packages of Debian, npm and PyPI, with licences recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from i2v_search.progress import Report, silent
from scripts.lite.recipes import characters, emoji, icons, openclipart, scenes
from scripts.lite.recipes.writing import Made

DatasetRecipe: TypeAlias = Literal["openclipart", "emoji", "characters", "icons", "scenes"]

_MAKERS = {
    "openclipart": openclipart.make,
    "emoji": emoji.make,
    "characters": characters.make,
    "icons": icons.make,
    "scenes": scenes.make,
}


def make_dataset(
    recipe: DatasetRecipe, output: Path, *, package: Sequence[Path] = (), report: Report = silent
) -> Made:
    """Make a data set; `i2v_search.training.datasets.dataset.read_dataset` reads it.

    Args:
        recipe: ``"openclipart"``, ``"emoji"``, ``"characters"``, ``"icons"`` or
            ``"scenes"``.
        output: its folder; an older set that a recipe made is replaced, anything else is left alone.
        package: packages already downloaded, in place of all downloads; see each recipe.
        report: called for every drawing.

    Raises:
        RecipeError: a tool or package is missing, damaged or not as expected; the message says what to do.
    """
    return _MAKERS[recipe](output, package=package, report=report)
