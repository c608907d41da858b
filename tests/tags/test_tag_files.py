"""Tag lists and thresholds are read from the files people have, and nothing else is believed."""

import gzip
import io
import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.errors import TagError
from i2v_search.tags.lists import PUBLISHED_COUNT, read_vocabulary
from i2v_search.tags.thresholds import choose_thresholds, read_thresholds
from i2v_search.tags.vocabulary import Vocabulary

PUBLISHED = [*(f"tag {number}" for number in range(1536)), "safe", "questionable", "explicit"]


def write_json(folder: Path, document: Any) -> Path:
    path = folder / "tags.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def write_csv(folder: Path, *lines: str) -> Path:
    path = folder / "selected_tags.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_npz(folder: Path, **arrays: NDArray[Any]) -> Path:
    path = folder / "thresholds.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def write_member(folder: Path, content: bytes) -> Path:
    """An archive whose ``threshold.npy`` holds these bytes."""
    path = folder / "thresholds.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("threshold.npy", content)
    return path


# Tag lists


def test_the_published_list_gives_categories_by_position(tmp_path: Path) -> None:
    vocabulary = read_vocabulary(write_json(tmp_path, PUBLISHED), count=1539)
    assert vocabulary.names == tuple(PUBLISHED)
    for category, first, last in (
        ("general", 0, 511),
        ("character", 512, 1023),
        ("copyright", 1024, 1535),
        ("rating", 1536, 1538),
    ):
        positions = vocabulary.positions(category)  # type: ignore[arg-type]
        assert (positions[0], positions[-1], len(positions)) == (first, last, last - first + 1)
    assert [vocabulary.names[place] for place in vocabulary.positions("rating")] == PUBLISHED[-3:]


@pytest.mark.parametrize("tags", [PUBLISHED[:-1], [*PUBLISHED, "more"], ["hat"], []])
def test_a_plain_list_of_another_length_is_refused(tmp_path: Path, tags: list[str]) -> None:
    with pytest.raises(TagError, match=f"1539 tags of Illustration2Vec, .* this one has {len(tags)}"):
        read_vocabulary(write_json(tmp_path, tags))


@pytest.mark.parametrize("name", ["tag_list.json.gz", "tag_list.JSON.GZ", "tag_list.json"])
def test_the_list_is_read_as_the_release_has_it_compressed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(json.dumps(PUBLISHED).encode()))
    assert read_vocabulary(tmp_path / name).names == tuple(PUBLISHED)


def test_a_compressed_list_of_a_wd_tagger_keeps_its_kind(tmp_path: Path) -> None:
    plain = write_csv(tmp_path, "name,category", "hat,0", "safe,9")
    (tmp_path / "tags.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert read_vocabulary(tmp_path / "tags.csv.gz") == read_vocabulary(plain)


@pytest.mark.integration
def test_a_compressed_list_that_is_cut_damaged_or_expands_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(json.dumps(PUBLISHED).encode())
    bomb = gzip.compress(b" " * (2**26 + 1))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content, message in (
        (whole[:-20], "damaged or truncated gzip"),
        (whole[:5], "damaged or truncated gzip"),
        (bytes(flipped), "damaged or truncated gzip"),
        (bomb, f"more than {2**26} bytes"),
    ):
        (tmp_path / "tag_list.json.gz").write_bytes(content)
        with pytest.raises(TagError, match=message):
            read_vocabulary(tmp_path / "tag_list.json.gz")


def test_a_list_of_objects_gives_any_order(tmp_path: Path) -> None:
    entries = [
        {"name": "Long_Hair", "category": "general", "count": 5},
        {"name": "safe", "category": "rating"},
        {"name": "絵", "category": "artist"},
        {"name": "hat", "category": "general"},
    ]
    vocabulary = read_vocabulary(write_json(tmp_path, entries))
    assert vocabulary == Vocabulary(
        ("long hair", "safe", "絵", "hat"), ("general", "rating", "artist", "general")
    )


def test_an_object_of_categories_keeps_the_order_of_the_file(tmp_path: Path) -> None:
    document = {"rating": ["safe"], "general": ["hat", "coat"], "meta": []}
    vocabulary = read_vocabulary(write_json(tmp_path, document))
    assert vocabulary == Vocabulary(("safe", "hat", "coat"), ("rating", "general", "general"))


def test_what_a_vocabulary_writes_is_read_back(tmp_path: Path) -> None:
    vocabulary = Vocabulary(("hat", "miku", "coat"), ("general", "character", "general"))
    assert read_vocabulary(write_json(tmp_path, vocabulary.to_list())) == vocabulary


def test_a_wd_tagger_list_has_numbered_categories(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path,
        "tag_id,name,category,count",
        "9999999,general,9,807858",
        "9999998,sensitive,9,3771700",
        "470575,1girl,0,4225150",
        "212816,hatsune_miku,4,90000",
        '1,"a, comma",0,5',
        "2,vocaloid,3,80000",
        "3,wlop,1,7",
        "4,highres,5,9",
    )
    assert read_vocabulary(path, count=8) == Vocabulary(
        ("general", "sensitive", "1girl", "hatsune miku", "a, comma", "vocaloid", "wlop", "highres"),
        ("rating", "rating", "general", "character", "general", "copyright", "artist", "meta"),
    )


def test_the_categories_of_e621_are_known(tmp_path: Path) -> None:
    lines = (
        "id,name,category,post_count",
        "1,wolf,5,9",
        "2,hat,0,9",
        "3,hi_res,7,9",
        "4,trio_(lore),8,9",
        "5,me,2,9",
    )
    path = write_csv(tmp_path, *lines)
    assert read_vocabulary(path) == Vocabulary(
        ("wolf", "hat", "hi res", "trio (lore)", "me"), ("general", "general", "meta", "general", "artist")
    )
    named = {"species": ["wolf"], "lore": ["trio"], "contributor": ["me"], "general": ["hat"]}
    assert read_vocabulary(write_json(tmp_path, named)).categories == (
        "general",
        "general",
        "artist",
        "general",
    )
    numbered = [{"name": "wolf", "category": 5}, {"name": "hi_res", "category": 7}]
    assert read_vocabulary(write_json(tmp_path, numbered)).categories == ("general", "meta")


def test_a_text_file_has_a_tag_a_line(tmp_path: Path) -> None:
    path = tmp_path / "tags.txt"
    path.write_text("1girl\nlong_hair\r\n\n^_^\ncharacter:hatsune_miku\nrating:safe\n:d\nre:zero\n")
    assert read_vocabulary(path, count=7) == Vocabulary(
        ("1girl", "long hair", "^_^", "hatsune miku", "safe", ":d", "re:zero"),
        ("general", "general", "general", "character", "rating", "general", "general"),
    )
    path.write_text("\n".join(PUBLISHED))
    assert read_vocabulary(path) == read_vocabulary(write_json(tmp_path, PUBLISHED))
    path.write_text(" \n")
    with pytest.raises(TagError, match="no tags"):
        read_vocabulary(path)


def test_columns_may_stand_anywhere_and_categories_have_names(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "\ufeffid,category,name,ips", "0,character,hu_tao,[]")
    assert read_vocabulary(path) == Vocabulary(("hu tao",), ("character",))


def test_another_number_of_tags_than_outputs_is_refused(tmp_path: Path) -> None:
    path = write_json(tmp_path, {"general": ["hat"]})
    with pytest.raises(TagError, match=r"tags\.json has 1 tags, but the tag head has 2 outputs"):
        read_vocabulary(path, count=2)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([{"name": "hat", "category": "mood"}], "category 'mood' is unknown"),
        ([{"name": "hat", "category": 12}], "category '12' is unknown"),
        ({"mood": ["hat"]}, "category 'mood' is unknown"),
        ({"general": ["hat", "HAT"]}, "'hat' occurs more than once in category general"),
        ({"general": "hat"}, "found str instead of a list"),
        ({"general": [["hat"]]}, "name must be text"),
        ({"general": [None]}, "name must be text"),
        ({"general": [" _ "]}, "name must be text"),
        ({"general": ["x" * 1001]}, "name must be text"),
        ({"general": ["\ud800"]}, "not valid Unicode"),
        ([{"name": "hat"}], "not a mixture"),
        (["hat", {"name": "hat", "category": "general"}], "not a mixture"),
        ([1, 2], "not a mixture"),
        ([None], "not a mixture"),
        ({}, "no tags"),
        ({"general": []}, "no tags"),
        ("hat", "found str instead of a list"),
        (None, "found NoneType instead of a list"),
        ([*PUBLISHED[:-1], "safe"], "'safe' occurs more than once in category rating"),
    ],
)
def test_json_of_another_form_is_refused(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(TagError, match=rf"tags\.json: .*{message}"):
        read_vocabulary(write_json(tmp_path, document))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"\xff\xfe", "not UTF-8 text"),
    ],
)
def test_a_file_that_is_not_json_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "tags.json"
    path.write_bytes(content)
    with pytest.raises(TagError, match=message):
        read_vocabulary(path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([""], r"expected columns 'name' and 'category', found \[\]"),
        (["a,b"], r"found \['a', 'b'\]"),
        (["name,category"], "no tags"),
        (["name,category", "hat,12"], "tag 1, 'hat', has category '12'"),
        (["name,category", "hat"], "tag 1, 'hat', has category ''"),
        (["category,name", "0"], "name must be text"),
        (["name,category", "hat,0", "hat,0"], "more than once"),
        (["name,category", "x" * 200_000 + ",0"], "not valid CSV"),
        (["x" * 200_000], "not valid CSV"),
    ],
)
def test_a_csv_of_another_form_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(TagError, match=message):
        read_vocabulary(write_csv(tmp_path, *lines))


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    for path in (tmp_path, tmp_path / "missing.json", pipe):
        with pytest.raises(TagError, match="cannot be read"):
            read_vocabulary(path)
        with pytest.raises(TagError, match="not a readable"):
            read_thresholds(path)


def test_an_endless_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "tags.json"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(TagError, match="not a tag list"):
        read_vocabulary(path)


def test_a_rating_is_known_by_its_prefix_in_every_form(tmp_path: Path) -> None:
    """DeepDanbooru lists its ratings so, among the other tags."""
    expected = Vocabulary(("1girl", "safe", "explicit"), ("general", "rating", "rating"))
    names = ("1girl", "rating:safe", "rating:explicit")
    csv = write_csv(tmp_path, "name,category", *(f"{name},0" for name in names))
    entries = [{"name": name, "category": "general"} for name in names]
    text = tmp_path / "tags.txt"
    text.write_text("\n".join(names))
    for path in (csv, write_json(tmp_path, entries), text):
        assert read_vocabulary(path) == expected


# Thresholds


def test_a_column_of_best_thresholds_holds_for_all_rules(tmp_path: Path) -> None:
    lines = ("name,category,best_threshold", "hat,0,0.3", "miku,4,0.85")
    thresholds = read_vocabulary(write_csv(tmp_path, *lines)).thresholds
    np.testing.assert_array_equal(thresholds, np.array([[0.3] * 3, [0.85] * 3], np.float32))


@pytest.mark.parametrize("number", ["", "high", "nan", "inf"])
def test_a_best_threshold_that_is_no_number_is_refused(tmp_path: Path, number: str) -> None:
    with pytest.raises(TagError, match=f"tag 'hat' has best_threshold '{number}', not a number"):
        read_vocabulary(write_csv(tmp_path, "name,category,best_threshold", f"hat,0,{number}"))


SOME = Vocabulary(("hat", "miku", "safe", "wlop"), ("general", "character", "rating", "artist"))


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("0.25", [0.25, 0.25, 0.25, 0.25]),
        ("general=0.5, character=0.75,artist=1", [0.5, 0.75, 0, 1]),
        ("general=0.5,character=0.75,artist=1,rating=0.25,meta=0.5", [0.5, 0.75, 0.25, 1]),
    ],
)
def test_thresholds_may_be_stated_by_category(stated: str, expected: list[float]) -> None:
    thresholds: Any = choose_thresholds(SOME, stated).thresholds
    np.testing.assert_array_equal(thresholds, np.repeat(np.array(expected)[:, None], 3, axis=1))


def test_stated_thresholds_replace_those_of_the_list_and_nothing_keeps_them(tmp_path: Path) -> None:
    assert choose_thresholds(SOME, None) is SOME
    own = SOME.with_thresholds(np.zeros(4, np.float32))
    values = np.arange(12, dtype=np.float32).reshape(4, 3) / 16
    chosen: Any = choose_thresholds(own, write_npz(tmp_path, threshold=values)).thresholds
    np.testing.assert_array_equal(chosen, values)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("general=0.3", "general=0.3 says nothing of artist, character tags"),
        *((stated, "takes an .npz file, a probability") for stated in ("", "x", "1.5", "nan", "colour=0.3")),
        ("general=0.3,", "takes an .npz file, a probability"),
    ],
)
def test_thresholds_that_are_none_are_refused(stated: str, message: str) -> None:
    with pytest.raises(TagError, match=message):
        choose_thresholds(SOME, stated)


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", "<f2", "<i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_thresholds_are_read_whatever_their_layout(tmp_path: Path, dtype: str, order: Any) -> None:
    values = np.arange(PUBLISHED_COUNT * 3).reshape(-1, 3) % 1000
    path = write_npz(tmp_path, threshold=values.astype(dtype, order=order), other=np.zeros(3))
    thresholds = read_thresholds(path)
    assert thresholds.dtype == np.float32
    np.testing.assert_array_equal(thresholds, values)


def test_thresholds_of_an_own_vocabulary_have_its_length(tmp_path: Path) -> None:
    path = write_npz(tmp_path, threshold=np.eye(3))
    np.testing.assert_array_equal(read_thresholds(path, 3), np.eye(3))
    with pytest.raises(TagError, match=r"shape \(3, 3\); 1539 tags need \(1539, 3\)"):
        read_thresholds(path)


def test_a_compressed_file_of_python_2_is_read(tmp_path: Path) -> None:
    values = np.arange(6, dtype="<f8").reshape(2, 3)
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 3L), }"
    header += b" " * (117 - len(header)) + b"\n"
    npy = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + values.tobytes()
    np.testing.assert_array_equal(read_thresholds(write_member(tmp_path, npy), 2), values)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"thresholds": np.ones((2, 3))}, "no array 'threshold', only"),
        ({"threshold": np.ones((3, 2))}, r"shape \(3, 2\); 2 tags need \(2, 3\)"),
        ({"threshold": np.ones(6)}, r"shape \(6,\)"),
        ({"threshold": np.full((2, 3), "x")}, "not numbers"),
        ({"threshold": np.full((2, 3), np.nan)}, "not finite"),
        ({"threshold": np.full((2, 3), 1e300)}, "not finite"),
    ],
)
def test_thresholds_of_another_kind_are_refused(
    tmp_path: Path, arrays: dict[str, NDArray[Any]], message: str
) -> None:
    with pytest.raises(TagError, match=message):
        read_thresholds(write_npz(tmp_path, **arrays), 2)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "thresholds.npz"
    np.savez(path, threshold=np.full((2, 3), Trap(), dtype=object))
    with pytest.raises(TagError, match="holds object, not numbers"):
        read_thresholds(path, 2)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.integration
def test_a_member_that_unpacks_to_much_more_is_not_unpacked(tmp_path: Path) -> None:
    header = b"\x93NUMPY\x02\x00" + (10**8).to_bytes(4, "little")
    path = write_member(tmp_path, header + bytes(10**8))
    assert path.stat().st_size < 200_000
    with pytest.raises(TagError, match="too many for 2 tags"):
        read_thresholds(path, 2)


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, threshold=np.linspace(0, 1, 60).reshape(20, 3))
    return buffer.getvalue()


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.linspace(0, 1, 60).reshape(20, 3))
    return buffer.getvalue()


NPZ, NPY = _npz(), _npy()


@given(cut=st.integers(0, len(NPZ)), flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255))))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_archive_is_refused_or_read(tmp_path: Path, cut: int, flips: list[tuple[int, int]]) -> None:
    content = bytearray(NPZ if cut == len(NPZ) else NPZ[:cut])
    for place, value in flips:
        if content:
            content[place % len(content)] = value
    path = tmp_path / "thresholds.npz"
    path.write_bytes(content)
    _read_or_refuse(path)


@pytest.mark.integration
@given(flips=st.lists(st.tuples(st.integers(0, 127), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_array_header_is_refused_or_read(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    content = bytearray(NPY)
    for place, value in flips:
        content[place] = value
    _read_or_refuse(write_member(tmp_path, bytes(content)))


def _read_or_refuse(path: Path) -> None:
    with suppress(TagError):
        thresholds = read_thresholds(path, 20)
        assert thresholds.shape == (20, 3)
        assert np.isfinite(thresholds).all()


@pytest.mark.integration
@given(
    document=st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["general", "name"]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["name", "category", "general", "rating"]) | st.text(max_size=3), inner
            )
        ),
        max_leaves=12,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_is_a_vocabulary_or_refused(tmp_path: Path, document: Any) -> None:
    path = write_json(tmp_path, document)
    with suppress(TagError):
        assert len(read_vocabulary(path)) > 0
