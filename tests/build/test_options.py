"""How a collection is built, as one object or by its attributes, and what the report says was done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from grids import GridEncoder, draw_folder

from i2v_search import BuildOptions, BuildReport, Collection, Device, IndexOptions, maintenance
from i2v_search.errors import ImageError, QueryError

ASKED = IndexOptions(kind="pca", pca_dimensions=8, recall_target=0.9)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return draw_folder(tmp_path / "images", 20)


def test_as_an_object_by_keywords_and_by_both(images: Path, tmp_path: Path) -> None:
    options = BuildOptions(GridEncoder(), "cosine", index=ASKED, exclude="0007.png")
    one = Collection.build(tmp_path / "one", [images], options)
    keywords = Collection.build(
        tmp_path / "two",
        [images],
        encoder=GridEncoder(),
        similarity="cosine",
        index=ASKED,
        exclude=["0007.png"],
    )
    both = Collection.build(
        tmp_path / "three",
        [images],
        BuildOptions(GridEncoder(), index=ASKED),
        similarity="cosine",
        exclude="0007.png",
    )
    facts = [replace(art.info(), directory="", bytes={}) for art in (one, keywords, both)]
    for fact in facts:
        assert (fact.images, fact.similarity, fact.index and fact.index["kind"]) == (19, "cosine", "pca")
    assert one.index_options == keywords.index_options == both.index_options == ASKED
    assert options.exclude == ("0007.png",)


def test_a_device_by_its_name_is_a_device() -> None:
    assert BuildOptions(device="cpu") == BuildOptions(device=Device("cpu"))
    with pytest.raises(QueryError, match="unknown device 'gpu'"):
        BuildOptions(device="gpu")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="colour"):
        Collection.build("c", ["x"], colour="red")  # type: ignore[call-arg]


def test_strict_goes_all_the_way_down(images: Path, tmp_path: Path) -> None:
    (images / "0003.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match=r"0003\.png"):
        Collection.extract(tmp_path / "c", [images], BuildOptions(GridEncoder(), strict=True))


def test_the_report_says_what_was_last_done(images: Path, tmp_path: Path, loaded: list[GridEncoder]) -> None:
    extracted = Collection.extract(tmp_path / "c", [images], encoder="grid")
    assert extracted.report.extraction is not None
    assert (extracted.report.extraction.encoded, extracted.report.plan) == (20, None)
    plan = extracted.index()
    assert (extracted.report.plan, extracted.report.extraction.encoded) == (plan, 20)
    opened = Collection.open(tmp_path / "c")
    assert opened.report == BuildReport()
    added = opened.add(draw_folder(tmp_path / "more", 2, first=30))
    assert opened.report.extraction is added
    assert opened.report.plan is not None
    merged = Collection.merge(tmp_path / "m", tmp_path / "c")
    assert merged.report.merge is not None
    assert merged.report.merge.sources[0].added == 22
    told = merged.report.to_dict()
    assert (told["extraction"], told["plan"], told["merge"]["sources"][0]["added"]) == (None, None, 22)


def test_maintenance_leaves_an_index_that_fits(images: Path, tmp_path: Path) -> None:
    directory = tmp_path / "c"
    built = Collection.build(directory, [images], encoder=GridEncoder(), index=ASKED)
    built.remove(built.ids[:4])
    assert maintenance.compact(directory).dropped == 4
    images.rename(tmp_path / "moved")
    assert maintenance.relocate(directory, images, tmp_path / "moved").moved == 16
    record = Collection.open(directory).store.manifest.index
    assert record is not None
    part = directory / record.files["arrays"].name
    part.write_bytes(part.read_bytes()[:-100])
    assert maintenance.repair(directory).index_dropped
    assert maintenance.merge(tmp_path / "other", directory).sources[0].added == 16
    assert maintenance.export(tmp_path / "other", tmp_path / "v.npy", images=[0, 2], unit=True).images == 2
    gone = [f"{number:04d}.png" for number in range(4)]
    fresh = Collection.build(tmp_path / "fresh", [tmp_path / "moved"], encoder=GridEncoder(), exclude=gone)
    answers = {hit.path: hit.score for hit in fresh.search(fresh.ids[0], top=5).hits}
    for art in (Collection.open(directory), Collection.open(tmp_path / "other")):
        assert art.is_current
        found = {hit.path: hit.score for hit in art.search(art.ids[0], top=5).hits}
        assert found == pytest.approx(answers, abs=1e-5)
    assert Collection.open(directory).index_options == ASKED
