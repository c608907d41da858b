"""Recipes: checked before any work, with clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders import ROOT

from i2v_search.build.recipe import Recipe
from i2v_search.collection.collection import Collection
from i2v_search.errors import RecipeError
from i2v_search.images.sample import sample_directory

RECIPES = ROOT / "index" / "recipes"


def write(folder: Path, text: str) -> Path:
    file = folder / "recipe.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["demo", "template"])
def test_shipped_recipes_are_valid_and_show_the_defaults(name: str) -> None:
    recipe = Recipe.load(RECIPES / f"{name}.toml")
    bare = Recipe(collection=recipe.collection, images=recipe.images)
    assert recipe == bare
    assert Path(recipe.collection) == RECIPES.resolve().parent / name


def test_the_sample_and_relative_paths_are_resolved(tmp_path: Path) -> None:
    file = write(tmp_path, 'collection = "c"\n[images]\nsources = ["sample:birds", "art", "/abs/x.zip"]\n')
    recipe = Recipe.load(file)
    assert recipe.collection == str(tmp_path.resolve() / "c")
    assert recipe.images.sources == [
        str(sample_directory() / "birds"),
        str(tmp_path.resolve() / "art"),
        "/abs/x.zip",
    ]


def test_a_recipe_builds_what_it_says(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        'collection = "c"\n[images]\nsources = ["sample:birds"]\n'
        '[similarity]\nname = "cosine"\n[pca]\ndimensions = 8\n[index]\nkind = "pca"\nrecall = 0.9\n',
    )
    info = Collection.from_recipe(file).info()
    assert info.images == 22
    assert info.similarity == "cosine"
    assert info.index is not None
    assert (info.index["kind"], info.index["dimensions"]) == ("pca", 8)
    assert info.index["recall_at_10"] >= 0.9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("collection = ", "cannot be read as TOML"),
        ('collection = "c"', "images: Field required"),
        ('collection = "c"\n[images]\nsources = []', "images.sources"),
        ('collection = "c"\n[images]\nsources = ["a"]\n[index]\nknid = "pca"', "index.knid: Extra inputs"),
        ('collection = "c"\n[images]\nsources = ["a"]\n[index]\nrecall = 2', "index.recall"),
        ('collection = "c"\n[images]\nsources = ["a"]\n[similarity]\nname = "dot"', "'centred', 'cosine'"),
        ('collection = "c"\n[images]\nsources = ["a"]\n[pca]\ndimensions = 1', "pca.dimensions"),
    ],
)
def test_a_bad_recipe_is_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.toml") as caught:
        Recipe.load(write(tmp_path, text))
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "{b=" * 5000, "[" + "a." * 5000 + "b]"])
def test_a_deeply_nested_recipe_is_one_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.toml"):
        Recipe.load(write(tmp_path, text))
