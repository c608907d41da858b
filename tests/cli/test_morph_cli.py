"""``i2v-search morph`` as a user meets it: the table, the words below it, JSON, pictures, refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import Done, run
from PIL import Image

from i2v_search import Collection, Morph, sample_directory
from i2v_search.cli import show
from i2v_search.cli.morph import print_morph, quality_lines

Walk = Callable[..., Done]


@pytest.fixture
def walk(sample_collection: Collection) -> Walk:
    """Run ``i2v-search morph`` on the sample collection."""
    return lambda *words: run("morph", *map(str, words), "--collection", sample_collection.directory)


def stops_of(done: Done) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    stops: list[dict[str, Any]] = json.loads(done.stdout)["stops"]
    return stops


@pytest.fixture
def ends(sample_collection: Collection) -> tuple[int, int]:
    return sample_collection.ids[0], sample_collection.ids[-1]


@pytest.mark.parametrize(
    ("width", "paths", "expected"),
    [
        (160, ["short.png", "a/longer/one.png"], (16, 115)),
        (80, ["a" * 47], (47, 4)),
        (80, ["a" * 48], (47, 4)),
        (80, ["絵" * 20], (40, 11)),
        (20, ["a" * 40], (8, 4)),
    ],
)
def test_paths_are_shown_whole_where_the_screen_is_wide_enough(
    width: int, paths: list[str], expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert show.text_widths(paths, [2, 3, 4, 8], "tags") == expected


def test_no_path_is_broken_on_80_columns(
    ends: tuple[int, int], sample_collection: Collection, walk: Walk
) -> None:
    one, other = map(str, ends)
    directory = sample_collection.directory
    done = run("morph", one, other, "--steps", "2", "--collection", directory, columns=80)
    paths = [stop["path"] for stop in stops_of(walk(*ends, "--steps", 2, "--json"))]
    assert max(map(len, paths)) > 35
    heading, *lines = done.stdout.splitlines()
    assert heading.split()[-1] == "tags"
    for path, line in zip(paths, lines, strict=False):
        assert path in line
        assert len(line) <= 80
        assert line.rstrip().endswith("…")


def test_the_table_has_a_line_for_each_image(
    walk: Walk, ends: tuple[int, int], sample_collection: Collection
) -> None:
    done = walk(*ends, "--steps", 3)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["#", "id", "image", "hop", "progress", "tags"]
    assert [line.split()[0] for line in lines[1:6]] == ["A", "1", "2", "3", "B"]
    assert sample_collection.stored_path(ends[0]) in lines[1]
    assert re.search(r" 0% .*bird", lines[1])
    assert all(re.search(r" \d+°  +\d+%  +\w", line) for line in lines[2:6])
    assert re.search(r"Largest hop \d+° \(\w+ to \w+\)", lines[6])
    assert "lead" in lines[7]


@pytest.mark.parametrize("steps", [0, 1, 4, 9])
def test_there_are_exactly_the_steps_asked_for_and_no_repeats(
    walk: Walk, ends: tuple[int, int], steps: int
) -> None:
    ids = [stop["id"] for stop in stops_of(walk(*ends, "--steps", steps, "--json"))]
    assert len(ids) == len(set(ids)) == steps + 2
    assert (ids[0], ids[-1]) == ends


def test_auto_takes_as_many_as_it_needs(walk: Walk, ends: tuple[int, int]) -> None:
    assert len(stops_of(walk(*ends, "--steps", "auto", "--json"))) >= 2


def test_files_outside_the_collection_can_be_ends(walk: Walk) -> None:
    folders = sorted(path for path in sample_directory().iterdir() if path.is_dir())
    a, b = (sorted(folder.glob("*.webp"))[0] for folder in folders[-2:])
    assert [stop["id"] for stop in stops_of(walk(a, b, "--json"))].count(None) == 2


def test_waypoints_are_walked_through_and_marked(
    walk: Walk, ends: tuple[int, int], sample_collection: Collection
) -> None:
    first, second = sample_collection.ids[40], sample_collection.ids[70]
    options = ("--via", first, "--via", sample_collection.stored_path(second), "--steps", 6)
    stops = stops_of(walk(*ends, *options, "--json"))
    assert [stop["id"] for stop in stops if stop["waypoint"]] == [first, second]
    assert len(stops) == 8
    assert re.findall(r"^ *(via \w)", walk(*ends, *options).stdout, re.MULTILINE) == ["via C", "via D"]


def test_an_image_that_is_not_wanted_is_walked_around(walk: Walk, ends: tuple[int, int]) -> None:
    unwanted = [stop["id"] for stop in stops_of(walk(*ends, "--json"))[1:3]]
    around = stops_of(walk(*ends, "--avoid", unwanted[0], "--avoid", unwanted[1], "--json"))
    assert not {stop["id"] for stop in around} & set(unwanted)


def test_filters_hold_for_what_is_between(walk: Walk, ends: tuple[int, int]) -> None:
    stops = stops_of(walk(*ends, "--path", "birds/*", "--json"))
    assert all(stop["path"].startswith("birds/") for stop in stops[1:-1])


def test_pictures_are_written_and_told(walk: Walk, ends: tuple[int, int], tmp_path: Path) -> None:
    files = {
        option: tmp_path / "new" / name
        for option, name in (("--strip", "strip.png"), ("--animation", "film.gif"), ("--map", "map.png"))
    }
    options = [word for pair in files.items() for word in pair]
    done = walk(*ends, "--steps", 2, *options)
    assert done.returncode == 0, done.stderr
    for file in files.values():
        assert f"wrote {file}" in done.stdout
        with Image.open(file) as picture:
            assert picture.width > 400
    with Image.open(files["--animation"]) as film:
        frames = film.n_frames  # type: ignore[attr-defined]
    assert f"{frames} frames of 480 x " in done.stdout
    webp = tmp_path / "film.webp"
    assert len(stops_of(walk(*ends, "--steps", 1, "--animation", webp, "--json"))) == 3
    with Image.open(webp) as film:
        assert film.n_frames == 2 * 2 * 13  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--steps", "many"], 2, "--steps must be a whole number of at least 0, or auto, not 'many'"),
        (["--steps", "1001"], 1, "a morph cannot have 1001 intermediates; use 0 to 1,000"),
        (["--animation", "film.mp4"], 2, "--animation must end in .webp or .gif, not 'film.mp4'"),
        (["--method", "fade"], 2, "--method"),
        (["--strip", "strip.odd"], 2, "the file name must end in .png, .jpg or .webp"),
        (["--avoid", "77777"], 2, "holds no image '77777'"),
        (["--via", "nothing.png"], 2, "not an id, a path in the collection or a file"),
        (["--tags", "birdz"], 2, "did you mean 'bird"),
    ],
)
def test_refusals_say_what_is_wanted(
    walk: Walk,
    ends: tuple[int, int],
    options: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = walk(*ends, *options)
    assert done.returncode == code
    assert message in " ".join(re.sub("[│╭╮╰╯─]", " ", done.stderr).split())


def with_quality(morph: Morph, **changes: Any) -> Morph:
    return replace(morph, quality=replace(morph.quality, **changes))


def test_the_words_below_follow_from_the_numbers(
    sample_collection: Collection, ends: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    morph = sample_collection.morph(*ends, steps=3)
    plain = with_quality(morph, hops=(0.5, 1.0, 0.5, 0.5), bottleneck=1.0, monotonicity=1.0, hub_share=0.0)
    assert quality_lines(plain)[0] == "Largest hop 57° (1 to 2), the smallest possible between the two."
    assert quality_lines(plain)[1].endswith("ms; every hop leads towards B.")
    worse = with_quality(plain, bottleneck=0.8, monotonicity=0.75, near_duplicates=1, hub_share=1 / 3)
    assert "1.25 times the smallest possible (46°, with any number of images)." in quality_lines(worse)[0]
    assert quality_lines(worse)[1].endswith(
        "1 of 4 hops leads back towards A; 1 pair of near copies; 1 image occurs on many morphs."
    )
    unknown = with_quality(plain, bottleneck=None, near_duplicates=2, hub_share=2 / 3, monotonicity=0.5)
    assert quality_lines(unknown)[0] == "Largest hop 57° (1 to 2), the mean 36°."
    assert quality_lines(unknown)[1].split("; ")[1:] == [
        "2 of 4 hops lead back towards A",
        "2 pairs of near copies",
        "2 images occur on many morphs.",
    ]
    print_morph(replace(plain, gaps=2))
    assert "crosses 2 gaps that no image of the collection fills" in capsys.readouterr().out
    print_morph(replace(plain, gaps=1))
    assert "crosses a gap that no image of the collection fills" in capsys.readouterr().out
