"""The command line as a user meets it: real files, messages and exit codes; some of it in real processes."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import run, run_json
from PIL import Image

from i2v_search.cli import demo
from i2v_search.cli.search import search
from i2v_search.encoders.lite_tags import attributes
from i2v_search.images.sample import sample_directory
from i2v_search.tags.vocabulary import TAG_THRESHOLD

COMMANDS = [
    "build",
    "extract",
    "index",
    "add",
    "remove",
    "search",
    "morph",
    "info",
    "verify",
    "duplicates",
    "tag",
    "demo",
    "train",
    "evaluate",
    "dataset info",
    "models import",
    "models quantize",
]


def run_process(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from i2v_search.cli.main import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "140", "NO_COLOR": "1"},
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of the sample's birds and cats in the default place of a working directory."""
    folder = tmp_path_factory.mktemp("cli")
    done = run_process(
        "build", sample_directory() / "birds", sample_directory() / "cats-and-dogs", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert "40 images in index/default: 40 encoded" in done.stdout
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.returncode == 0
    assert f"Example: i2v-search {command}" in done.stdout


def test_the_version_is_printed() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "i2v-search")


def test_help_loads_no_heavy_module() -> None:
    script = (
        "import sys\nsys.argv = ['i2v-search', '--help']\nfrom i2v_search.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code\n"
        "heavy = {'torch', 'faiss', 'onnxruntime', 'onnx', 'h5py', 'numpy', 'PIL', 'scipy', 'pydantic'}\n"
        "heavy |= {'pillow_heif', 'pillow_jxl', 'resvg_py', 'pypdfium2'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_search_by_id_loads_neither_encoder_nor_torch(built: Path) -> None:
    script = (
        "import sys\nfrom i2v_search import Collection\n"
        "print(len(Collection.open('index/default').search(0).hits))\n"
        "print(sorted({'torch', 'onnxruntime', 'onnx', 'scipy.linalg', 'scipy.sparse'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=built
    )
    assert done.stdout.split() == ["10", "[]"]


def test_search_finds_a_file_of_the_collection_and_shows_a_table(built: Path) -> None:
    done = run_process("search", sample_directory() / "birds" / "hen-01.webp", cwd=built)
    assert done.returncode == 0
    assert "10 hits in" in done.stdout
    assert "birds/" in done.stdout
    assert "hen-01.webp" not in done.stdout


def test_search_answers_json_with_scores_in_falling_order(built: Path) -> None:
    hits = run_json("search", "birds/hen-01.webp", "--top", "5", "--include-query", cwd=built)["hits"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4, 5]
    assert hits[0]["path"] == "birds/hen-01.webp"
    assert hits[0]["score"] == pytest.approx(1, abs=1e-3)
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)


def test_search_filters_by_tag_and_path(built: Path) -> None:
    hits = run_json("search", "0", "--tags", "birds, -penguin", "--top", "50", cwd=built)["hits"]
    assert hits
    assert all(hit["path"].startswith("birds/") and "penguin" not in hit["path"] for hit in hits)
    hits = run_json("search", "0", "--path", "cats*", "--top", "50", cwd=built)["hits"]
    assert len(hits) == len(list((sample_directory() / "cats-and-dogs").iterdir()))


def test_search_takes_unlike_examples_and_weights(built: Path) -> None:
    plain = run_json("search", "0", "1", cwd=built)["hits"]
    weighed = run_json("search", "0", "1", "--weights", "1,0.1", "--not", "25", cwd=built)["hits"]
    assert [hit["id"] for hit in plain] != [hit["id"] for hit in weighed]
    assert 25 not in [hit["id"] for hit in weighed]
    done = run("search", "0", "--weights", "1,2", cwd=built)
    assert done.returncode == 2
    assert "--weights has 2 numbers for 1 queries" in done.stderr


def test_search_by_tags_needs_no_image(built: Path) -> None:
    found = run_json("search", "--tags", "birds, -penguin", "--top", "3", "--page", "2", cwd=built)
    assert [hit["rank"] for hit in found["hits"]] == [4, 5, 6]
    assert (found["query"], found["offset"], found["more"]) == ("birds, -penguin", 3, True)
    assert all("birds" in hit["tags"] for hit in found["hits"])
    done = run("search", cwd=built)
    assert done.returncode == 2
    assert "nothing to rank by; give a query, or at least one tag" in done.stderr


def test_the_threshold_of_the_command_is_that_of_the_library() -> None:
    assert inspect.signature(search).parameters["tag_threshold"].default == TAG_THRESHOLD


def test_search_mixes_tags_and_likeness_and_makes_results_diverse(built: Path) -> None:
    plain = run_json("search", "0", cwd=built)["hits"]
    options = ("--tags", "penguin", "--tag-threshold", "0", "--tag-weight", "0.9")
    mixed = run_json("search", "0", *options, cwd=built)["hits"]
    assert "penguin" in mixed[0]["tags"]
    diverse = run_json("search", "0", "--diverse", "0.3", cwd=built)["hits"]
    assert plain[0] == diverse[0]
    assert {hit["id"] for hit in plain} != {hit["id"] for hit in diverse}


def test_search_for_each_query(built: Path) -> None:
    np.save(built / "vectors.npy", np.ones((2, 4096), np.float32))
    arguments = ("search", "birds/hen-01.webp", "5", "vectors.npy", "--each", "--top", "2")
    found = run_json(*arguments, cwd=built)
    assert [result["query"] for result in found] == [
        "birds/hen-01.webp",
        run_json("search", "5", cwd=built)["query"],
        "vectors.npy[0]",
        "vectors.npy[1]",
    ]
    assert found[2]["hits"] == found[3]["hits"]
    assert len(run(*arguments, "--paths-only", cwd=built).stdout.splitlines()) == 8
    shown = run(*arguments, "--sheet", "each.png", cwd=built).stdout
    assert shown.count("2 hits in") == 4
    assert "vectors.npy[1]" in shown
    with Image.open(built / "each.png") as sheet:
        assert sheet.height > sheet.width > 400
    for wrong, message in (
        ((), "--each requires a QUERY"),
        (("0", "--weights", "2"), "use either --weights or --each"),
    ):
        done = run("search", *wrong, "--each", cwd=built)
        assert done.returncode == 2
        assert message in done.stderr
    done = run("search", "vectors.npy", cwd=built)
    assert (done.returncode, "search --each" in done.stderr) == (2, True)


def test_paths_only_prints_files_that_exist(built: Path) -> None:
    lines = run("search", "0", "--paths-only", cwd=built).stdout.splitlines()
    assert len(lines) == 10
    assert all(Path(line).is_file() for line in lines)


def test_search_writes_pictures(built: Path) -> None:
    assert run("search", "0", "--sheet", "out/sheet.png", cwd=built).returncode == 0
    with Image.open(built / "out" / "sheet.png") as sheet:
        assert sheet.width > 1000
    done = run("search", "0", "--sheet", "out/sheet.odd", cwd=built)
    assert done.returncode == 2
    assert "the file name must end in .png, .jpg or .webp" in done.stderr


def test_add_remove_info_verify(tmp_path: Path) -> None:
    birds, collection = sample_directory() / "birds", tmp_path / "c"
    assert run_json("build", birds, "-c", collection)["changes"]["encoded"] == 22
    assert run_json("build", birds, "-c", collection)["changes"]["unchanged"] == 22
    done = run_json("add", sample_directory() / "dinosaurs", "-c", collection)
    assert (done["changes"]["encoded"], done["info"]["images"]) == (14, 36)
    assert run_json("remove", "0", "hen-01.webp", "-c", collection) == {"removed": 2, "images": 34}
    assert run_json("info", "-c", collection)["images"] == 34
    assert "34 images: every file matches its checksum" in run("verify", "-c", collection).stdout
    part = next(collection.glob("features-*.h5"))
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    done_verify = run("verify", "-c", collection)
    assert done_verify.returncode == 1
    assert part.name in done_verify.stdout


def test_extract_leaves_the_index_to_index(tmp_path: Path) -> None:
    collection = tmp_path / "c"
    assert run("extract", sample_directory() / "birds", "-c", collection).returncode == 0
    done = run("search", "0", "-c", collection)
    assert done.returncode == 1
    assert f"run: i2v-search index --collection {collection}" in done.stderr
    assert run_json("index", "-c", collection)["plan"]["kind"] == "exact"
    assert run("search", "0", "-c", collection).returncode == 0
    assert "similarity" in run("index", "-c", collection, "--similarity", "hamming").stdout
    assert run_json("info", "-c", collection)["index"]["similarity"] == "hamming"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["search", "0", "-c", "nowhere"], 1, "no collection at nowhere; build one with: i2v-search build"),
        (["search", "99999"], 2, "no image of the collection has id 99999"),
        (["search", "nothing.png"], 2, "not an id, a path in the collection or a file"),
        (["search", "0", "--tags", "birdz"], 2, "did you mean 'bird"),
        (["morph", "0", "0"], 1, "same"),
        (["morph", "0", "1", "--steps", "500"], 1, "500"),
        (["build"], 2, "give either IMAGES or --recipe FILE"),
        (["build", "nowhere"], 1, "nowhere"),
        (["build", "--recipe", "x.toml", "-c", "y"], 2, "--recipe cannot be combined with --collection"),
        (
            ["build", "--recipe", "x.toml", "--kind", "pca", "--strict"],
            2,
            "cannot be combined with --kind and --strict",
        ),
        (["search", "0", "--json", "-f"], 2, "use either --json or --paths-only"),
        (["export", "x.h5", "--raw"], 2, "option raw is for .npy and .csv"),
        (["tag", ".", "--raw"], 2, "--raw requires --csv"),
        (["build", "--recipe", "none.toml"], 2, "recipe none.toml does not exist"),
        (["remove", "77777"], 2, "holds no image '77777'"),
        (["add", "empty.png"], 1, "empty.png"),
        (["search", "0", "--top", "0"], 2, "--top"),
        (["nonsense"], 2, "No such command"),
        (
            ["build", ".", "--batch-size", "many"],
            2,
            "--batch-size must be a whole number of at least 1, or auto",
        ),
    ],
)
def test_errors_say_what_to_do_in_one_line(
    built: Path, arguments: list[str], code: int, message: str
) -> None:
    done = run(*arguments, cwd=built)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_skipped_images_are_reported_and_strict_stops(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    folder.mkdir()
    Image.new("RGB", (50, 50), "red").save(folder / "good.png")
    (folder / "bad.png").write_bytes(b"not an image")
    done = run("build", folder, "-c", tmp_path / "c")
    assert done.returncode == 0
    assert "1 skipped" in done.stdout
    assert "bad.png: " in done.stdout
    strict = run("build", folder, "-c", tmp_path / "d", "--strict")
    assert strict.returncode == 1
    assert "bad.png" in strict.stderr


def test_the_demo_runs_twice_and_reuses_what_it_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a part of the sample, in which both ends of the morph and the query are."""
    part = tmp_path / "sample"
    for folder in {Path(name).parent for name in (demo.QUERY, *demo.MORPH)}:
        shutil.copytree(sample_directory() / folder, part / folder)
    monkeypatch.setattr(demo, "sample_directory", lambda: part)
    monkeypatch.chdir(tmp_path)
    first = run("demo")
    assert first.returncode == 0, first.stderr
    assert "encoded" in first.stdout
    assert "i2v-search build ~/Pictures/art" in first.stdout
    for name in ("contact-sheet.png", "morph-strip.png"):
        with Image.open(tmp_path / "demo" / name) as picture:
            assert picture.width > 1000
    second = run("demo", cwd=tmp_path)
    assert " 0 encoded" in second.stdout
    assert "unchanged" in second.stdout


def test_the_limits_of_pictures_are_options_of_every_command(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    folder.mkdir()
    Image.linear_gradient("L").resize((40, 30)).save(folder / "a.png")
    Image.linear_gradient("L").resize((80, 10)).save(folder / "long.png")
    options = ("build", folder, "-c", tmp_path / "c")
    refused = run("--max-pixels", "1000", "--max-side", "60", *options).stdout
    assert "40 x 30 px is over the limit of 1000 pixels; I2V_SEARCH_MAX_PIXELS or --max-pixels" in refused
    assert "80 x 10 px has a side over the limit of 60 px; I2V_SEARCH_MAX_SIDE or --max-side" in refused
    assert "2 encoded" in run("--max-pixels", "1200", "--max-side", "80", *options).stdout
    assert run("--max-pixels", "0", *options).returncode == 2


def test_an_image_without_a_sure_tag_is_called_untagged(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40), "red").save(tmp_path / "red.png")
    plain, none = run("tag", tmp_path), run("tag", tmp_path, "--threshold", "1")
    assert not set(re.findall(r"[a-z][a-z -]*(?= 0\.)", plain.stdout)) & attributes()
    assert none.stdout.split()[1:] == ["untagged"]
