"""Captions beside images: what people wrote is read, and stays."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from i2v_search.choices import ExistingCaption
from i2v_search.cli.main import app
from i2v_search.errors import TagError
from i2v_search.images.captions import MAX_BYTES, CaptionNames, CaptionWriter, parse_caption, read_caption
from i2v_search.images.sample import sample_directory
from i2v_search.images.sources import Skipped
from i2v_search.tags.vocabulary import ImageTags, Tag, normalise_tag

TAGS = ImageTags(general=(Tag("hat", 0.9), Tag("smile", 0.8)), character=(Tag("miku", 0.7),))


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"pixels")


# Writing


def test_a_caption_that_is_there_stays(tmp_path: Path) -> None:
    put(tmp_path, "pic.png")
    (tmp_path / "pic.txt").write_text("trigger_word, my own caption")
    kept = CaptionWriter(tmp_path).write("pic.png", TAGS)
    assert isinstance(kept, Skipped)
    assert "pic.txt exists" in kept.reason
    assert (tmp_path / "pic.txt").read_text() == "trigger_word, my own caption"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pic.png", "pic.txt"]


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("trigger_word, Hat", "trigger_word, Hat, smile, miku\n"),
        ("trigger_word, hat,\n", "trigger_word, hat, smile, miku\n"),
        ("my hat\ncreator:me\n", "my hat\ncreator:me\nhat\nsmile\nmiku\n"),
        ("hat, smile\nMiku", "hat, smile\nMiku\n"),
        ("", "hat, smile, miku\n"),
    ],
)
def test_appending_adds_what_is_not_there(tmp_path: Path, given_text: str, expected: str) -> None:
    put(tmp_path, "pic.png")
    (tmp_path / "pic.txt").write_text(given_text)
    assert CaptionWriter(tmp_path, "append").write("pic.png", TAGS) is None
    assert (tmp_path / "pic.txt").read_text() == expected
    assert CaptionWriter(tmp_path, "append").write("pic.png", TAGS) is None
    assert (tmp_path / "pic.txt").read_text() == expected


def test_what_is_not_text_is_not_appended_to(tmp_path: Path) -> None:
    put(tmp_path, "pic.png")
    (tmp_path / "pic.txt").write_bytes(b"\xff\x00\x81")
    kept = CaptionWriter(tmp_path, "append").write("pic.png", TAGS)
    assert isinstance(kept, Skipped)
    assert "not UTF-8" in kept.reason
    assert (tmp_path / "pic.txt").read_bytes() == b"\xff\x00\x81"


def test_overwriting_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    put(tmp_path, "pic.png", "precious")
    (tmp_path / "pic.txt").symlink_to("precious")
    assert isinstance(CaptionWriter(tmp_path).write("pic.png", TAGS), Skipped)
    assert CaptionWriter(tmp_path, "overwrite").write("pic.png", TAGS) is None
    assert (tmp_path / "pic.txt").read_text() == "hat, smile, miku\n"
    assert (tmp_path / "precious").read_bytes() == b"pixels"


@pytest.mark.parametrize("existing", ["keep", "append", "overwrite"])
@pytest.mark.parametrize(
    "names",
    [
        ("pic.png", "pic.jpg"),
        ("pic.png", "PIC.jpg"),
        ("pic.png", "pic.jpg", "pic.png.jpg"),
        ("pic", "pic.png"),
        ("pic.png", "pic.jpg_large"),
        ("a/pic.png", "b/pic.png"),
    ],
)
def test_every_image_has_a_caption_of_its_own(
    tmp_path: Path, names: tuple[str, ...], existing: ExistingCaption
) -> None:
    put(tmp_path, *names)
    writer = CaptionWriter(tmp_path, existing)
    for name in names:
        assert writer.write(name, ImageTags(general=(Tag(f"tag of {name}"),))) is None
    texts = sorted(file.read_text() for file in tmp_path.rglob("*.txt"))
    assert texts == sorted(f"tag of {name}\n" for name in names)
    for name in names:  # and each is read as that of its own image only
        folder = (tmp_path / name).parent
        captions = CaptionNames(file.name for file in folder.iterdir()).of(Path(name).name)
        tags = [tag.name for caption in captions for tag in read_caption(folder / caption)]
        assert normalise_tag(f"tag of {name}") in tags


def test_no_caption_is_written_into_an_archive(tmp_path: Path) -> None:
    for path in ("art.zip!/pic.png", "s3://bucket/pic.png"):
        assert isinstance(CaptionWriter(tmp_path, "overwrite").write(path, TAGS), Skipped)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.integration
def test_tag_keeps_captions_and_says_so(tmp_path: Path) -> None:
    picture = next((sample_directory() / "birds").glob("*.webp")).read_bytes()
    for name in ("a.webp", "pic.webp", "pic.png"):
        (tmp_path / name).write_bytes(picture)
    (tmp_path / "a.txt").write_text("mine")

    def tag(*options: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["tag", str(tmp_path), "--tagger", "lite", *options])
        return done.exit_code, " ".join(done.stderr.split())

    code, said = tag("--sidecar")
    assert code == 1
    assert "1 captions not written:" in said
    assert "/a.webp: a.txt exists and is kept" in said
    assert "2 images differ from another only in the extension" in said
    assert (tmp_path / "a.txt").read_text() == "mine"
    assert sorted(file.name for file in tmp_path.glob("*.txt")) == ["a.txt", "pic.png.txt", "pic.webp.txt"]
    assert tag("--sidecar", "--append")[0] == 0
    assert (tmp_path / "a.txt").read_text().startswith("mine, ")
    assert tag("--sidecar", "--overwrite")[0] == 0
    assert "mine" not in (tmp_path / "a.txt").read_text()
    assert tag("--append")[0] == 2
    assert tag("--sidecar", "--append", "--overwrite")[0] == 2


# Reading


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1girl, Long_Hair , smile", ["1girl", "long hair", "smile"]),
        ("1girl, smile\nhat, glasses", ["1girl", "smile", "hat", "glasses"]),
        ("smile\nblue eyes\ntitle:well, well\n", ["smile", "blue eyes", "title:well, well"]),
        ("trigger ||| 1girl, hat", ["trigger", "1girl", "hat"]),
        (r"saber \(fate\), x", ["saber (fate)", "x"]),
        ("a cat, A cat sleeps on the mat.", ["a cat"]),
        (" ".join(["word"] * 11), []),
        (":d, :3", [":d", ":3"]),
        ("", []),
        (" ,,\n", []),
    ],
)
def test_the_forms_of_captions(text: str, names: list[str]) -> None:
    assert [tag.name for tag in parse_caption(text)] == names


def test_namespaces_are_categories() -> None:
    tags = parse_caption("creator:Some One\nseries:fate\ncharacter:saber\nrating:safe\nmeta:scan\nx:y")
    assert [(tag.name, tag.category) for tag in tags] == [
        ("some one", "artist"),
        ("fate", "copyright"),
        ("saber", "character"),
        ("safe", "rating"),
        ("scan", "meta"),
        ("x:y", "general"),
    ]
    assert all(tag.probability == 1 for tag in tags)


@pytest.mark.parametrize(
    "content", ["hut, grün".encode(), b"\xef\xbb\xbf" + "hut, grün".encode(), "hut, grün".encode("utf-16")]
)
def test_text_as_editors_write_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    assert [tag.name for tag in read_caption(tmp_path / "a.txt")] == ["hut", "grün"]


@pytest.mark.parametrize(
    ("content", "problem"), [(b"\xff\x00\x81", "UTF-8"), (b"a," * MAX_BYTES, "too large for a caption")]
)
def test_what_is_no_caption_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(TagError, match=problem):
        read_caption(tmp_path / "a.txt")


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    for tag in parse_caption(text):
        assert tag.name == tag.name.lower().strip() != ""
