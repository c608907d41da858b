"""Data sets as other programs write them: image folders, shards, captions and JSON beside the pictures."""

import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from hostile import encode, plain

from i2v_search.errors import SourceError, TagError
from i2v_search.training.datasets.dataset import Dataset, read_dataset

PICTURE = encode(plain(size=(8, 8)), "PNG")


def put(folder: Path, *pictures: str) -> Path:
    for name in pictures:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PICTURE)
    return folder


def tags_of(dataset: Dataset) -> dict[str, list[str]]:
    return {picture.path: [tag.name for tag in picture.tags] for picture in dataset.pictures}


def packed(folder: Path, kind: str) -> tuple[Path, str]:
    """The folder, or an archive of it, and what its pictures' paths begin with."""
    if kind == "folder":
        return folder, ""
    archive = folder.with_name(f"art.{kind}")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as zipped:
            for file in files:
                zipped.write(file, file.relative_to(folder))
    else:
        with tarfile.open(archive, "w") as tar:
            for file in files:
                tar.add(file, str(file.relative_to(folder)))
    return archive, f"art.{kind}!/"


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_a_table_of_an_image_folder(tmp_path: Path, kind: str) -> None:
    folder = put(tmp_path / "set", "a.png", "sub/b.png")
    rows = [
        {
            "file_name": "a.png",
            "tags": ["Cat", "red_hat"],
            "label": 3,
            "text": "sleeping, A cat lies on a sofa.",
        },
        {"file_name": "sub/b.png", "tags": "dog, night", "label": "dogs"},
        {"file_name": "gone.png", "tags": ["x"]},
    ]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source, before = packed(folder, kind)
    dataset = read_dataset(source)
    assert tags_of(dataset) == {
        f"{before}a.png": ["cat", "red hat", "sleeping"],
        f"{before}sub/b.png": ["dog", "night"],
    }
    assert [picture.label for picture in dataset.pictures] == ["3", "dogs"]
    assert len(dataset.skipped) == 1
    assert dataset.read(dataset.pictures[1]) == PICTURE


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_a_table_in_csv(tmp_path: Path, kind: str) -> None:
    folder = put(tmp_path / "set", "a.png", "b.png")
    (folder / "metadata.csv").write_text('\ufefffile_name,tags\na.png,"cat, night"\nb.png,dog\n')
    source, before = packed(folder, kind)
    assert tags_of(read_dataset(source)) == {f"{before}a.png": ["cat", "night"], f"{before}b.png": ["dog"]}


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
@pytest.mark.parametrize("count", [1, 3])
def test_json_and_captions_beside_each_picture(tmp_path: Path, kind: str, count: int) -> None:
    folder = put(
        tmp_path / "set", *(f"{number}.png" for number in range(count)), "sub/x.png", "sub/untold.png"
    )
    for number in range(count):
        (folder / f"{number}.json").write_text(json.dumps({"tags": ["cat", f"n{number}"], "label": "cats"}))
    (folder / "0.txt").write_text("hat, cat")
    (folder / "sub/x.png.txt").write_text("one\ncreator:me\n")
    source, before = packed(folder, kind)
    dataset = read_dataset(source)
    assert tags_of(dataset) == {
        f"{before}0.png": ["cat", "n0", "hat"],
        **{f"{before}{number}.png": ["cat", f"n{number}"] for number in range(1, count)},
        f"{before}sub/x.png": ["one", "me"],
    }
    assert dataset.pictures[0].label == "cats"
    assert dataset.pictures[-1].tags[1].category == "artist"


def test_posts_beside_their_pictures_have_the_tags_of_posts(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "a.png", "b.png")
    (folder / "a.json").write_text(json.dumps({"tag_string_general": "1girl long_hair", "rating": "g"}))
    (folder / "b.json").write_text(json.dumps({"tags": {"species": ["wolf"]}, "rating": "e"}))
    assert tags_of(read_dataset(folder)) == {
        "a.png": ["1girl", "long hair", "general"],
        "b.png": ["wolf", "explicit"],
    }


def test_tags_files_below_the_folder(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "one/a.png", "two/b.png")
    for name, picture in (("one", "a.png"), ("two", "b.png")):
        (folder / name / "tags.jsonl").write_text(json.dumps({"path": picture, "tags": [name]}))
    assert tags_of(read_dataset(folder)) == {"one/a.png": ["one"], "two/b.png": ["two"]}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_pictures_can_be_left_out(tmp_path: Path, kind: str) -> None:
    folder = put(tmp_path / "set", "a.png", "drafts/b.png", "c.gif", "d.png")
    lines = [{"path": path, "tags": ["x"]} for path in ("a.png", "drafts/b.png", "c.gif", "d.png")]
    (folder / "tags.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / ".i2vignore").write_text("d.png\n" if kind == "folder" else "")
    source, before = packed(folder, kind)
    left = read_dataset(source, exclude=["*.gif", "drafts/", *(["d.png"] if kind == "zip" else [])])
    assert list(tags_of(left)) == [f"{before}a.png"]
    with pytest.raises(SourceError, match=r"every picture of .* is excluded"):
        read_dataset(source, exclude=["*"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metadata.jsonl", "{", r"metadata\.jsonl, line 1: not valid JSON"),
        ("metadata.jsonl", "5", r"line 1: expected a JSON object"),
        ("metadata.jsonl", "{}", r'line 1: expected the path of a picture in "file_name"'),
        ("metadata.jsonl", '{"file_name": "../a.png"}', "points outside the data set"),
        ("metadata.jsonl", '{"file_name": "a.png", "tags": 5}', '"tags" a list'),
        ("metadata.csv", "name,tags\na.png,x", r'row 1: expected the path of a picture in "file_name"'),
        ("a.json", "{", r"a\.json: not valid JSON"),
        ("a.json", "[]", r"a\.json: expected a JSON object"),
        ("a.json", '{"tags": [5]}', "tag 5 has category"),
        ("a.json", '{"tags": [{"name": 5}]}', "a tag must be"),
    ],
)
def test_what_is_not_valid_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    folder = put(tmp_path / "set", "a.png")
    (folder / name).write_text(content)
    with pytest.raises((SourceError, TagError), match=message):
        read_dataset(folder)


def test_a_table_that_is_not_text_is_named(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", "a.png")
    (folder / "metadata.csv").write_bytes(b"file_name,tags\na.png,\xff\n")
    with pytest.raises(SourceError, match="not valid CSV"):
        read_dataset(folder)
