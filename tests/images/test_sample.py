"""The bundled sample: enough real pictures, described one to one, small, and free to use."""

import doctest
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from grids import GridEncoder
from PIL import Image

from i2v_search import Collection
from i2v_search.images import sample
from i2v_search.images.sample import SampleImage, sample_directory, sample_images

IMAGES = sample_images()
ROOT = Path(__file__).parents[2]
KEYS = {"path", "title", "author", "tags", "source", "licence"}


def test_there_are_at_least_1000_pictures_in_50_categories_of_at_least_8() -> None:
    sizes = Counter(image.category for image in IMAGES)
    assert len(IMAGES) >= 1000
    assert len(sizes) >= 50
    assert min(sizes.values()) >= 8


def test_no_category_dwarfs_the_others() -> None:
    assert max(Counter(image.category for image in IMAGES).values()) <= 25


def test_the_whole_sample_takes_at_most_14_megabytes() -> None:
    assert sum(path.stat().st_size for path in sample_directory().rglob("*") if path.is_file()) <= 14_000_000


@pytest.mark.integration
def test_every_picture_opens_as_webp_of_at_most_320_pixels() -> None:
    for image in IMAGES:
        with Image.open(image.path) as picture:
            picture.load()
            assert picture.format == "WEBP", image.path
            assert 64 < max(picture.size) <= 320, image.path
            assert len(set(picture.convert("L").tobytes())) > 1, f"{image.path} is blank"


@pytest.mark.integration
def test_another_environment_with_the_same_sample_adds_nothing(tmp_path: Path) -> None:
    """`demo`, or a recipe, in one folder from two environments, of which the first is there or not."""
    environments = [tmp_path / name / "i2v_search" / "data" / "sample" for name in ("one", "two", "three")]
    for place in environments:
        shutil.copytree(sample_directory() / "birds", place / "birds")
        shutil.copytree(sample_directory() / "fruit", place / "fruit")
    first = Collection.build(tmp_path / "c", [environments[0]], encoder=GridEncoder())
    ids = {first.stored_path(image): image for image in first.ids}
    for place, source in ((environments[1], ""), (environments[2], "birds")):
        encoder = GridEncoder()
        again = Collection.build(tmp_path / "c", [place / source], encoder=encoder)
        assert {again.stored_path(image): image for image in again.ids} == ids
        assert (again.info().image_root, encoder.encoded) == (str(place), 0)
        shutil.rmtree(environments[0], ignore_errors=True)


def test_the_descriptions_match_the_files_one_to_one() -> None:
    described = [image.path for image in IMAGES]
    assert len(set(described)) == len(described)
    assert set(described) == set(sample_directory().rglob("*.webp"))


def test_nothing_but_pictures_and_their_descriptions_is_shipped() -> None:
    others = [path for path in sample_directory().rglob("*") if path.is_file() and path.suffix != ".webp"]
    assert others == [sample_directory() / "tags.jsonl"]


def test_every_line_of_tags_jsonl_is_complete() -> None:
    for line in (sample_directory() / "tags.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        assert set(record) == KEYS
        assert all(record.values()), record


def test_tags_are_distinct_lower_case_words_that_begin_with_the_category() -> None:
    for image in IMAGES:
        assert image.tags[0] == image.category == image.path.parent.name
        assert len(set(image.tags)) == len(image.tags) >= 2, image
        assert all(re.fullmatch(r"[a-z][a-z-]*[a-z]", tag) for tag in image.tags), image


def test_every_picture_is_free_to_use_and_says_where_it_comes_from() -> None:
    assert {image.licence for image in IMAGES} == {"Public domain", "CC0-1.0", "CC-BY-3.0", "CC-BY-4.0"}
    source = r"Openclipart 0\.18, \S+\.svg|[@a-z/-]+ \d[\w.:+-]*, \S+(, [\w,-]+)?"
    assert not [image for image in IMAGES if not re.fullmatch(source, image.source)]
    assert len({image.source for image in IMAGES}) == len(IMAGES)


def test_notice_and_documentation_name_every_author_whose_licence_asks_for_it_and_every_package() -> None:
    notice, page = ((ROOT / name).read_text(encoding="utf-8") for name in ("NOTICE", "docs/sample.md"))
    said = " ".join(notice.split())
    art = [image for image in IMAGES if not image.source.startswith("Openclipart")]
    assert {image.author for image in art if image.author not in said or image.author not in page} == set()
    for image in art:
        package, version = image.source.partition(",")[0].split()
        known = {"angband-data": "Angband", "naev-data": "Naev"}.get(package, package)
        number = re.sub(r"^\d+:|[+-].*", "", version)
        assert f"{known} {number}" in said, image.source
        assert f"`{image.category}`" in page or f"`-{image.category.split('-')[-1]}`" in page, image.category
    assert f"{len(IMAGES):,} pictures in {len({image.category for image in IMAGES})} folders" in page
    assert f"other {len(art)} pictures" in page


def test_no_author_made_more_than_two_fifths() -> None:
    assert max(Counter(image.author for image in IMAGES).values()) <= 0.4 * len(IMAGES)


def test_no_author_is_given_with_a_mail_address() -> None:
    assert not [image for image in IMAGES if "@" in image.author]


def test_file_names_are_ascii_slugs() -> None:
    names = (path.relative_to(sample_directory()).as_posix() for path in sample_directory().rglob("*.webp"))
    assert not [name for name in names if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+\.webp", name)]


def test_no_two_pictures_are_the_same_file() -> None:
    def digest(image: SampleImage) -> str:
        return hashlib.sha256(image.path.read_bytes()).hexdigest()

    assert len({digest(image) for image in IMAGES}) == len(IMAGES)


def test_pictures_come_in_the_order_of_their_paths() -> None:
    paths = [image.path.relative_to(sample_directory()).as_posix() for image in IMAGES]
    assert paths == sorted(paths)


def test_importing_the_module_loads_no_heavy_library() -> None:
    code = (
        "import importlib.util, sys; "
        f"spec = importlib.util.spec_from_file_location('sample', {str(Path(sample.__file__))!r}); "
        "module = importlib.util.module_from_spec(spec); sys.modules['sample'] = module; "
        "spec.loader.exec_module(module); "
        "print(sorted({'PIL', 'numpy', 'torch', 'faiss', 'h5py'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_the_examples_of_the_docstrings_hold() -> None:
    result = doctest.testmod(sample)
    assert result.attempted >= 3
    assert result.failed == 0
