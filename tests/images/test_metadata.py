"""What booru sites, downloaders and data sets write of pictures is read as they write it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v_search.errors import SourceError
from i2v_search.images.metadata.documents import Unreadable, iter_documents
from i2v_search.images.metadata.post_index import Known
from i2v_search.images.sidecar import Sidecars
from i2v_search.images.unread import Tally

MD5 = "d34e4cf0a437a5d65f8e82b7bcd02606"
#: As https://danbooru.donmai.us/posts.json gives them, shortened.
DANBOORU = {
    "id": 6000001,
    "created_at": "2023-01-19T02:35:53.123-05:00",
    "score": 57,
    "source": "https://i.pximg.net/img-original/1.png",
    "md5": MD5,
    "rating": "g",
    "image_width": 1200,
    "tag_string": "1girl long_hair hatsune_miku vocaloid someone highres ^_^",
    "fav_count": 61,
    "file_ext": "png",
    "parent_id": None,
    "tag_string_general": "1girl long_hair ^_^",
    "tag_string_character": "hatsune_miku",
    "tag_string_copyright": "vocaloid",
    "tag_string_artist": "someone",
    "tag_string_meta": "highres",
    "file_url": f"https://cdn.donmai.us/original/d3/4e/{MD5}.png",
}
#: As the metadata of Danbooru2021 has it: numbers are texts.
DANBOORU_2021 = {
    "id": "9",
    "created_at": "2005-05-23 23:35:31 UTC",
    "rating": "s",
    "score": "3",
    "md5": "a" * 32,
    "file_ext": "jpg",
    "tags": [{"id": "1", "name": "1boy", "category": "0"}, {"id": "2", "name": "cloud", "category": "4"}],
}
E621 = {
    "id": 3,
    "created_at": "2021-03-04T05:06:07.000-05:00",
    "file": {"width": 100, "ext": "png", "md5": "b" * 32, "url": None},
    "score": {"up": 10, "down": -2, "total": 8},
    "tags": {"general": ["hat"], "species": ["wolf"], "character": ["amaterasu"], "meta": ["hi_res"]},
    "rating": "s",
    "fav_count": 12,
    "sources": ["https://a.example/1", "https://b.example"],
    "relationships": {"parent_id": None},
}
#: As index.php?page=dapi&s=post&q=index&json=1 answers.
GELBOORU = {
    "id": 8,
    "created_at": "Mon May 01 15:04:05 -0600 2023",
    "score": 4,
    "md5": "c" * 32,
    "directory": "cc/cc",
    "image": f"{'c' * 32}.png",
    "rating": "sensitive",
    "source": "",
    "tags": "1girl don&#039;t_touch &gt;_&lt;",
}
MOEBOORU = {
    "id": 5,
    "created_at": 1682948645,
    "md5": "e" * 32,
    "tags": "landscape sky",
    "rating": "s",
    "score": 1,
}
GALLERY_DL = {
    "category": "danbooru",
    "id": 77,
    "md5": "f" * 32,
    "filename": "f" * 32,
    "extension": "png",
    "date": "2022-05-06 07:08:09",
    "rating": "q",
    "score": 2,
    "tags": ["1girl", "cat_ears"],
    "tags_general": ["cat_ears", "1girl"],
    "tags_artist": ["me"],
}


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def known(folder: Path, path: str) -> Known:
    return Sidecars(folder, [folder], strict=True).known(path)


def names(of: Known) -> list[str]:
    return [f"{tag.category[:4]}:{tag.name}" for tag in of.tags]


def check_danbooru(found: Known) -> None:
    assert names(found) == [
        *("gene:1girl", "gene:long hair", "gene:^_^", "char:hatsune miku", "copy:vocaloid", "arti:someone"),
        *("meta:highres", "rati:general"),
    ]
    assert found.facts == {
        "post_id": 6000001,
        "score": 57,
        "favourites": 61,
        "date": "2023-01-19T07:35:53Z",
        "source": "https://i.pximg.net/img-original/1.png",
        "rating": "general",
    }


@pytest.mark.parametrize("form", ["array", "lines", "gzip", "several files", "parquet", "pretty"])
def test_danbooru(tmp_path: Path, form: str) -> None:
    put(tmp_path, f"d3/{MD5}.png", "other.png")
    posts = [DANBOORU_2021, DANBOORU]
    if form == "gzip":
        content = gzip.compress("\n".join(map(json.dumps, posts)).encode())
        (tmp_path / "posts.jsonl.gz").write_bytes(content)
    elif form == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist([DANBOORU]), tmp_path / "posts.parquet")
    elif form == "several files":
        for number, post in enumerate(posts):
            write(tmp_path / "metadata" / f"2023-{number}.json", json.dumps([post]))
    else:
        indent = 1 if form == "pretty" else None
        text = json.dumps(posts, indent=indent) if form != "lines" else "\n".join(map(json.dumps, posts))
        write(tmp_path / "posts.json", text)
    check_danbooru(known(tmp_path, f"d3/{MD5}.png"))
    assert not known(tmp_path, "other.png")


@pytest.mark.parametrize(
    ("others", "rating"), [([], "safe"), ([DANBOORU], "sensitive")], ids=["old", "of 2022 and later"]
)
def test_s_means_what_it_meant_when_the_file_was_written(
    tmp_path: Path, others: list[Any], rating: str
) -> None:
    put(tmp_path, "9.jpg")
    write(tmp_path / "posts.json", json.dumps([DANBOORU_2021, *others]))
    found = known(tmp_path, "9.jpg")
    assert names(found) == ["gene:1boy", "char:cloud", f"rati:{rating}"]
    assert found.facts == {"post_id": 9, "score": 3, "date": "2005-05-23T23:35:31Z", "rating": rating}


@pytest.mark.parametrize("form", ["object", "lines"])
@pytest.mark.parametrize(
    ("post", "tags", "facts"),
    [
        (
            E621,
            ["gene:hat", "gene:wolf", "char:amaterasu", "meta:hi res", "rati:safe"],
            {"post_id": 3, "score": 8, "favourites": 12, "rating": "safe", "source": "https://a.example/1"}
            | {"date": "2021-03-04T10:06:07Z"},
        ),
        (
            GELBOORU,
            ["gene:1girl", "gene:don't touch", "gene:>_<", "rati:sensitive"],
            {"post_id": 8, "score": 4, "rating": "sensitive", "date": "2023-05-01T21:04:05Z"},
        ),
        (
            MOEBOORU,
            ["gene:landscape", "gene:sky", "rati:safe"],
            {"post_id": 5, "score": 1, "rating": "safe", "date": "2023-05-01T13:44:05Z"},
        ),
    ],
    ids=["e621", "gelbooru", "moebooru"],
)
def test_other_sites(tmp_path: Path, form: str, post: Any, tags: list[str], facts: Any) -> None:
    name = f"{post.get('md5') or post['file']['md5']}.png"
    put(tmp_path, name)
    wrapped = {"posts": [post]} if "file" in post else {"@attributes": {"count": 1}, "post": [post]}
    write(tmp_path / "posts.json", json.dumps(wrapped if form == "object" else post))
    found = known(tmp_path, name)
    assert (names(found), found.facts) == (tags, facts)


def test_tag_string_alone(tmp_path: Path) -> None:
    put(tmp_path, "1.png")
    write(tmp_path / "p.jsonl", json.dumps({"id": 1, "tag_string": "1girl long_hair"}) + "\n")
    assert names(known(tmp_path, "1.png")) == ["gene:1girl", "gene:long hair"]


@pytest.mark.parametrize("name", ["77.png.json", "77.json"])
def test_gallery_dl(tmp_path: Path, name: str) -> None:
    put(tmp_path, "77.png")
    write(tmp_path / name, json.dumps(GALLERY_DL))
    found = known(tmp_path, "77.png")
    assert names(found) == ["gene:cat ears", "gene:1girl", "arti:me", "rati:questionable"]
    assert found.facts == {
        "post_id": 77,
        "score": 2,
        "rating": "questionable",
        "date": "2022-05-06T07:08:09Z",
    }


def test_eagle(tmp_path: Path) -> None:
    item = "Name.library/images/KBKE04XSTXR7I.info"
    put(tmp_path, f"{item}/A cat.png", f"{item}/A cat_thumbnail.png", "elsewhere/B.png")
    document = {
        "id": "KBKE04XSTXR7I",
        "name": "A cat",
        "size": 74106,
        "btime": 1682948645123,
        "mtime": 1682948645200,
        "ext": "png",
        "tags": ["Cat", "line art"],
        "folders": ["KBJJSMMVF9WYL"],
        "isDeleted": False,
        "url": "https://example.org/cat",
        "annotation": "for the ears, mostly",
        "modificationTime": 1682948650000,
        "star": 4,
        "height": 623,
        "width": 830,
        "palettes": [{"color": [10, 20, 30], "ratio": 51}],
    }
    write(tmp_path / item / "metadata.json", json.dumps(document))
    write(tmp_path / "elsewhere/metadata.json", json.dumps(document))
    found = known(tmp_path, f"{item}/A cat.png")
    assert names(found) == ["gene:cat", "gene:line art"]
    assert found.facts == {
        "stars": 4,
        "note": "for the ears, mostly",
        "date": "2023-05-01T13:44:05Z",
        "source": "https://example.org/cat",
    }
    assert not known(tmp_path, "elsewhere/B.png")
    write(tmp_path / item / "metadata.json", json.dumps({"tags": [], "isDeleted": True}))
    assert known(tmp_path, f"{item}/A cat.png").facts == {"in_trash": 1}


def test_webdataset(tmp_path: Path) -> None:
    members = {
        "000.jpg": b"",
        "000.json": json.dumps(DANBOORU).encode(),
        "deep/001.jpg": b"",
        "deep/001.txt": b"hat, saber \\(fate\\)",
        "deep/001.json": b'{"score": 3, "caption": "A dog sits here."}',
    }
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    check_danbooru(known(tmp_path, "shard.tar!/000.jpg"))
    second = known(tmp_path, "shard.tar!/deep/001.jpg")
    assert (names(second), second.facts) == (["gene:hat", "gene:saber (fate)"], {"score": 3})


def test_kohya_and_hydrus(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png")
    write(tmp_path / "a.txt", "1girl, long_hair, ^_^")
    write(tmp_path / "b.png.txt", "creator:me\nrating:safe\n|_|\ndon't, ok\n")
    assert names(known(tmp_path, "a.png")) == ["gene:1girl", "gene:long hair", "gene:^_^"]
    assert names(known(tmp_path, "b.png")) == ["arti:me", "rati:safe", "gene:|_|", "gene:don't, ok"]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_image_folder_of_hugging_face(tmp_path: Path, kind: str) -> None:
    put(tmp_path, "train/a.png", "train/b.png")
    rows = [{"file_name": "a.png", "tags": "cat, hat", "split": "train", "clip": 0.5, "score": 7}]
    text = (
        json.dumps(rows[0])
        if kind == "jsonl"
        else 'file_name,tags,split,clip,score\na.png,"cat, hat",train,0.5,7\n'
    )
    write(tmp_path / "train" / f"metadata.{kind}", text)
    found = known(tmp_path, "train/a.png")
    assert names(found) == ["gene:cat", "gene:hat"]
    assert found.facts == {"split": "train", "clip": 0.5, "score": 7}
    assert not known(tmp_path, "train/b.png")


def test_what_is_nearer_to_the_picture_adds_to_the_rest(tmp_path: Path) -> None:
    put(tmp_path, f"{MD5}.png")
    write(tmp_path / "posts.json", json.dumps([DANBOORU]))
    write(tmp_path / "tags.jsonl", json.dumps({"path": f"{MD5}.png", "tags": ["mine", "e"], "score": 1}))
    write(tmp_path / f"{MD5}.txt", "hat")
    found = known(tmp_path, f"{MD5}.png")
    assert names(found)[:2] == ["gene:mine", "gene:e"]
    assert names(found)[-2:] == ["rati:general", "gene:hat"]
    assert (found.facts["score"], found.facts["rating"]) == (1, "general")


def test_a_bad_line_is_skipped_and_reported(tmp_path: Path) -> None:
    put(tmp_path, "1.png", "3.png", "4.png")
    lines = ['{"id": 1, "tag_string": "a"}', '{"id": 2, "tag', '{"id": 3, "tag_string": "c"}', '{"id": 4}']
    path = write(tmp_path / "posts.jsonl", "\n".join(lines))
    tally = Tally()
    sidecars = Sidecars(tmp_path, [tmp_path], tally=tally)
    assert [names(sidecars.known(name)) for name in ("1.png", "3.png")] == [["gene:a"], ["gene:c"]]
    sidecars.count_unmatched(lambda path: True)
    (found,) = tally.counted()
    assert (found.kind, found.count) == ("lines of posts.jsonl", 2)
    assert found.help.startswith("not valid: line 2: ")
    with pytest.raises(SourceError, match=r"posts\.jsonl, line 2: "):
        Sidecars(tmp_path, [tmp_path], strict=True)
    assert path.exists()


def test_other_json_is_no_metadata(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    for name, content in {
        "package.json": '{"name": "x", "id": 1}',
        "workflow.json": '{"nodes": [{"id": 1}]}',
        "list.json": "[1, 2]",
        "broken.json": "{",
        "a.json": '{"nodes": [], "id": "x", "date": "2020-01-01"}',
    }.items():
        write(tmp_path / name, content)
    assert not known(tmp_path, "a.png")


def test_a_large_array_is_read_in_bounded_memory(tmp_path: Path) -> None:
    import tracemalloc

    post = json.dumps({**DANBOORU, "padding": "x" * 2000})
    path = tmp_path / "posts.json"
    with path.open("w") as file:
        file.write("[" + ",\n".join([post] * 8000) + "]")
    assert path.stat().st_size > 20 * 2**20
    tracemalloc.start()
    with path.open("rb") as opened:
        assert sum(1 for _ in iter_documents(opened, "posts.json")) == 8000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * 2**20


objects = st.lists(
    st.dictionaries(
        st.text(max_size=5),
        st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
        min_size=1,
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60)
@given(objects, st.sampled_from(["array", "pretty", "lines", "wrapped", "after one another"]))
def test_documents_come_as_they_were_written(documents: list[dict[str, Any]], form: str) -> None:
    text = {
        "array": lambda: json.dumps(documents),
        "pretty": lambda: json.dumps(documents, indent=2, ensure_ascii=False),
        "lines": lambda: "\r\n".join(map(json.dumps, documents)),
        "wrapped": lambda: json.dumps({"posts": documents}),
        "after one another": lambda: "\n".join(json.dumps(one, indent=1) for one in documents),
    }[form]()
    read = [one for one, _ in iter_documents(io.BytesIO(text.encode("utf-8", "replace")), "posts.json")]
    assert read == json.loads(json.dumps(documents).encode("utf-8", "replace"))


@settings(max_examples=60)
@given(st.binary(max_size=200), st.sampled_from(["a.json", "a.json.gz"]))
def test_any_file_is_read_or_refused(content: bytes, name: str) -> None:
    for document, place in iter_documents(io.BytesIO(content), name):
        assert isinstance(document, Unreadable) or json.dumps(document, default=str)
        assert place.startswith(name)
