"""Pictures are found in one deterministic order, as a stream, and whatever cannot be read is reported."""

import concurrent.futures
import contextlib
import glob
import io
import os
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hostile import encode, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v_search.errors import ImageError, SourceError
from i2v_search.images import archives
from i2v_search.images.sources import Skipped, SourceImage, count_images, image_root, iter_images, open_stored
from i2v_search.images.unread import Tally

PICTURE = encode(plain(size=(4, 3)), "PNG")


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PICTURE)


def found(given_sources: Sequence[str | Path], root: Path | None = None) -> list[str]:
    items = iter_images(given_sources, root or image_root(given_sources))
    return [item.path for item in items if isinstance(item, SourceImage)]


def skipped(given_sources: Sequence[str | Path]) -> dict[str, str]:
    items = iter_images(given_sources, image_root(given_sources))
    return {item.path: item.reason for item in items if isinstance(item, Skipped)}


def unread(given_sources: Sequence[str | Path], *exclude: str) -> dict[str, int]:
    tally = Tally()
    for _ in iter_images(given_sources, image_root(given_sources), exclude=exclude, tally=tally):
        pass
    return {item.kind: item.count for item in tally.counted()}


# Folders


def test_folder_is_walked_in_depth_in_byte_order(tmp_path: Path) -> None:
    put(tmp_path, "b.png", "a/z.jpg", "a/B.jpg", "a.png", "é.png", "Z.png", "c/d/e/f.webp")
    assert found([tmp_path]) == ["Z.png", "a/B.jpg", "a/z.jpg", "a.png", "b.png", "c/d/e/f.webp", "é.png"]


def test_hidden_names_and_other_endings_are_passed_over_and_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.png", ".b.png", "._a.png", ".git/c.png", "notes.txt", "d.PNG", "e.zip")
    assert found([tmp_path]) == ["a.png", "d.PNG"]
    assert skipped([tmp_path]) == {}
    assert unread([tmp_path]) == {".zip": 1, "hidden folders": 1, "hidden images": 1}


def test_what_is_no_picture_is_counted_by_its_ending(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    for name in ("1.CR2", "2.cr2", "a/3.xcf", "page.sai2", "x.mdp", "b.exr", "no ending", "x.tag", "a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"something else")
    (tmp_path / "strange.\x1b[31m").write_bytes(b"")
    assert found([tmp_path]) == ["a.png"]
    expected = {".cr2": 2, ".xcf": 1, ".sai2": 1, ".mdp": 1, ".exr": 1, "without an extension": 1, ".tag": 1}
    assert unread([tmp_path]) == {**expected, "of other kinds": 1}


def test_an_image_is_known_by_its_first_bytes_whatever_its_ending(tmp_path: Path) -> None:
    names = ("Dabc.jpg_large", "x", "x.orig", "y.eps", "z.xcf", "name.with.dots")
    put(tmp_path, *names, "data.json", "film.mp4", "raw.nef")
    for kind in ("JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000"):
        (tmp_path / f"{kind} file").write_bytes(encode(plain(size=(4, 3)), kind))
    assert set(found([tmp_path])) == {*names, *(name.name for name in tmp_path.glob("* file"))}
    assert count_images([tmp_path]) == len(names) + 7
    assert unread([tmp_path]) == {".mp4": 1, ".nef": 1}
    assert found([tmp_path, tmp_path / "x"]).count("x") == 1
    assert found([tmp_path, tmp_path / "raw.nef"])[-1] == "raw.nef"


def test_a_file_whose_name_says_enough_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.png", "b.JPG", "a.txt", "tags.jsonl", "film.mp4", "raw.dng", "e.zip")
    monkeypatch.setattr("i2v_search.images.sources.open_regular_file", None)
    assert found([tmp_path]) == ["a.png", "b.JPG"]


@pytest.mark.parametrize(
    "folder",
    [
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        "__MACOSX",
        "lost+found",
        "System Volume Information",
        ".thumbnails",
    ],
)
def test_thumbnails_and_deleted_files_of_systems_are_passed_over(tmp_path: Path, folder: str) -> None:
    put(tmp_path, "a.png", f"{folder}/b.png", f"sub/{folder}/c/d.png")
    kind = "hidden folders" if folder.startswith(".") else folder
    assert found([tmp_path]) == ["a.png"]
    assert unread([tmp_path]) == {kind: 2}
    assert found([f"{tmp_path}/**/*.png"]) == ["a.png"]
    assert found([tmp_path / folder]) == ["b.png"]
    assert found([f"{tmp_path}/{glob.escape(folder)}/*.png"]) == ["b.png"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(f"x/{folder}/a.png", PICTURE)
        archive.writestr("x/a.png", PICTURE)
        archive.writestr("x/a.xcf", PICTURE)
    assert found([tmp_path / "a.zip"]) == ["a.zip!/x/a.png"]
    assert unread([tmp_path / "a.zip"]) == {".xcf": 1}


def test_a_folder_of_what_is_not_read_says_what_there_is(tmp_path: Path) -> None:
    for name in ("1.cr2", "2.cr2", "3.xcf"):
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(
        SourceError, match=r"not read: 2 \.cr2 \(convert to JPEG\), 1 \.xcf \(export as PNG\)"
    ):
        found([tmp_path])


def test_source_image_knows_size_and_time_and_reads_late(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    os.utime(tmp_path / "a.png", ns=(5, 1_234_567_890_123_456_789))
    (image,) = iter_images([tmp_path], tmp_path)
    assert isinstance(image, SourceImage)
    assert (image.size, image.mtime_ns) == (len(PICTURE), 1_234_567_890_123_456_789)
    assert image.read() == PICTURE
    (tmp_path / "a.png").unlink()
    with pytest.raises(ImageError, match=r"a\.png: no such file"):
        image.read()


def test_name_that_is_not_utf8_survives_the_trip(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.png")
    put(tmp_path, name)
    assert found([tmp_path]) == [name]
    assert open_stored(tmp_path, name) == PICTURE


def test_links_are_followed_once_and_never_in_a_circle(tmp_path: Path) -> None:
    put(tmp_path, "art/a.png", "elsewhere/b.png")
    art = tmp_path / "art"
    (art / "one").symlink_to("../elsewhere")
    (art / "two").symlink_to("../elsewhere")
    (art / "up").symlink_to("..")
    (art / "self").symlink_to(".")
    (art / "file.png").symlink_to("../elsewhere/b.png")
    (art / "gone.png").symlink_to("nowhere")
    assert found([art]) == ["a.png", "file.png", "one/b.png"]
    reasons = skipped([art])
    assert set(reasons) == {"gone.png", "self", "two", "up"}
    assert reasons["gone.png"] == "a broken symbolic link"
    assert "above it" in reasons["self"]
    assert "above it" in reasons["up"]
    assert "another link" in reasons["two"]


def test_folders_linking_to_each_other_do_not_multiply(tmp_path: Path) -> None:
    names = [f"d{number}" for number in range(12)]
    put(tmp_path, *(f"{name}/{name}.png" for name in names))
    for name in names:
        for other in names:
            if other != name:
                (tmp_path / name / f"to-{other}").symlink_to(f"../{other}")
    assert len(found([tmp_path])) < 12 * 13


@pytest.mark.integration
def test_folder_deeper_than_pythons_stack(tmp_path: Path) -> None:
    here, depth = Path.cwd(), 1500
    os.chdir(tmp_path)
    try:
        for _ in range(depth):
            Path("d").mkdir()
            os.chdir("d")
        Path("a.png").write_bytes(PICTURE)
        assert [path.rpartition("/")[2] for path in found([tmp_path])] == ["a.png"]
        Path("a.png").unlink()
    finally:
        for _ in range(depth):  # pytest could not delete it: shutil recurses
            os.chdir("..")
            Path("d").rmdir()
        os.chdir(here)


def test_folder_that_may_not_be_listed_is_skipped_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.png", "locked/b.png")
    real = os.scandir

    def refuse_locked(path: str) -> Any:  # chmod would not do: root may list everything
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr("i2v_search.images.sources.os.scandir", refuse_locked)
    assert skipped([tmp_path]) == {"locked": "folder cannot be listed: permission denied"}
    with pytest.raises(SourceError, match="cannot be listed: permission denied"):
        image_root([tmp_path / "locked"])


def test_folder_that_vanishes_while_walking_is_skipped(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b/c.png")
    walk = iter_images([tmp_path], tmp_path)
    assert isinstance(next(walk), SourceImage)
    (tmp_path / "b" / "c.png").unlink()
    (tmp_path / "b").rmdir()
    assert [item.path for item in walk if isinstance(item, Skipped)] == ["b"]


# Files, globs, several sources


def test_file_given_by_name_is_tried_whatever_its_ending(tmp_path: Path) -> None:
    put(tmp_path, "a.dat", ".hidden")
    assert found([tmp_path / "a.dat", tmp_path / ".hidden"]) == ["a.dat", ".hidden"]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("*.png", ["a.png"]),
        ("*", ["a.png", "s/b.png", "s/t/d.png", "x.dat"]),
        ("**/*.png", ["a.png", "s/b.png", "s/t/d.png"]),
        ("**/*", ["a.png", "s/b.png", "s/c.txt", "s/t/d.png", "x.dat"]),
        ("**", ["a.png", "s/b.png", "s/c.txt", "s/t/d.png", "x.dat"]),
        ("**/**/d.png", ["s/t/d.png"]),
        ("**/t/*", ["s/t/d.png"]),
        ("s*", ["s/b.png", "s/t/d.png"]),
        ("?/[bc].*", ["s/b.png", "s/c.txt"]),
        (".h*/*", [".h/e.png"]),
    ],
)
def test_glob_patterns(tmp_path: Path, pattern: str, wanted: list[str]) -> None:
    put(tmp_path, "a.png", "s/b.png", "s/c.txt", "s/t/d.png", ".h/e.png", "x.dat")
    assert found([f"{tmp_path}/{pattern}"], tmp_path) == wanted


def test_glob_matches_what_pythons_glob_matches(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b/a.png", "b/c/a.png", "b/c/d.gif", "e/.f/a.png", "e/g.png", "[x].png")
    for pattern in ("**/*.png", "*/*.png", "*/**/a.png", "b/**/*.gif", "**/c/*", "**/[ab].png", "e/*.png"):
        listed = glob.glob(pattern, root_dir=tmp_path, recursive=True)  # noqa: PTH207 - the oracle
        oracle = {path for path in listed if (tmp_path / path).is_file()}
        assert set(found([f"{tmp_path}/{pattern}"], tmp_path)) == oracle


def test_name_that_looks_like_a_glob_but_exists_is_that_file(tmp_path: Path) -> None:
    put(tmp_path, "[a].png", "a.png", "art [2]/b.png", "art 2/c.png")
    assert found([tmp_path / "[a].png"]) == ["[a].png"]
    assert found([tmp_path / "art [2]"]) == ["b.png"]
    assert found([f"{tmp_path}/art [2]/*.png"], tmp_path) == ["art [2]/b.png"]


def test_overlapping_sources_give_a_file_once(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "s/b.png", "s/.h.png", "s/t/c.png")
    given_sources: list[str | Path] = [
        tmp_path / "s",
        f"{tmp_path}/**/*.png",
        tmp_path,
        tmp_path / "s" / "b.png",
        tmp_path / "s/.h.png",
    ]
    assert found(given_sources) == ["s/b.png", "s/t/c.png", "a.png", "s/.h.png"]
    assert count_images(given_sources) == 4


@pytest.mark.integration
@settings(max_examples=60)
@given(
    picked=st.lists(
        st.sampled_from(["", "s", "s/t", "*.png", "**/*", "s/*", "a.png", "s/t/c.png", "s/.h.png"]),
        min_size=1,
    )
)
def test_whatever_overlaps_no_path_comes_twice_and_none_is_lost(
    tmp_path_factory: pytest.TempPathFactory, picked: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "overlap"
    if not folder.exists():
        put(folder, "a.png", "s/b.png", "s/.h.png", "s/t/c.png", "s/t/.i/d.png", "notes.txt")
    given_sources = [f"{folder}/{name}" for name in picked]
    together = found(given_sources, folder)
    alone = {path for source in given_sources for path in found([source], folder)}
    assert sorted(together) == sorted(alone)
    assert count_images(given_sources) == len(together)


def test_what_is_excluded_is_left_out_and_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.gif", "b.png", "drafts/c.png", "sub/drafts/d.png", "old/e.png", "sub/old/f.png", "k.gif")
    patterns = ("*.gif", "!k.gif", "drafts/", "/old")
    items = iter_images([tmp_path], tmp_path, exclude=patterns)
    assert [item.path for item in items] == ["b.png", "k.gif", "sub/old/f.png"]
    assert count_images([tmp_path], exclude=patterns) == 3
    assert unread([tmp_path], *patterns) == {"excluded folders": 3, "excluded images": 1}


def test_ignore_files_are_about_their_folder_and_the_nearest_has_the_last_word(tmp_path: Path) -> None:
    put(tmp_path, "a.gif", "sub/b.gif", "sub/c.png", "sub/deep/d.gif", "other/e.gif")
    (tmp_path / ".i2vignore").write_text("# moving pictures\n*.gif\n")
    (tmp_path / "sub/.i2vignore").write_text("!*.gif\n/c.png\n")
    assert found([tmp_path]) == ["sub/b.gif", "sub/deep/d.gif"]
    assert found([f"{tmp_path}/**/*.*"]) == ["sub/b.gif", "sub/deep/d.gif"]
    (only,) = iter_images([tmp_path], tmp_path, exclude=["deep"])
    assert only.path == "sub/b.gif"
    # A file that is named is wanted, whatever an ignore file says; not so where the pattern is given with it.
    assert found([tmp_path / "a.gif"]) == ["a.gif"]
    assert found([tmp_path, tmp_path / "a.gif"])[-1] == "a.gif"
    with pytest.raises(SourceError, match="is excluded"):
        iter_images([tmp_path / "a.gif"], tmp_path, exclude=["*.gif"])


def test_members_of_archives_are_excluded_like_files(tmp_path: Path) -> None:
    for name in ("a.zip", "a.tar"):
        with contextlib.ExitStack() as stack:
            if name == "a.zip":
                opened = stack.enter_context(zipfile.ZipFile(tmp_path / name, "w"))
                for member in ("x/drafts/a.png", "x/b.png", "c.gif"):
                    opened.writestr(member, PICTURE)
            else:
                tar = stack.enter_context(tarfile.open(tmp_path / name, "w"))
                for member in ("x/drafts/a.png", "x/b.png", "c.gif"):
                    info = tarfile.TarInfo(member)
                    info.size = len(PICTURE)
                    tar.addfile(info, io.BytesIO(PICTURE))
        (image,) = iter_images([tmp_path / name], tmp_path, exclude=["drafts/", "*.gif"])
        assert image.path == f"{name}!/x/b.png"


@pytest.mark.parametrize("content", ["!", b"a" * 2**21], ids=["pattern", "size"])
def test_an_ignore_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | bytes) -> None:
    put(tmp_path, "a/b.png")
    (tmp_path / "a/.i2vignore").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SourceError, match=r"a/\.i2vignore"):
        found([tmp_path])
    with pytest.raises(SourceError, match="--exclude"):
        iter_images([tmp_path], tmp_path, exclude=["!"])


def test_root_is_the_folder_or_what_all_sources_have_in_common(tmp_path: Path) -> None:
    put(tmp_path, "a/x.png", "a/b/y.png", "c/z.png")
    write_zip(tmp_path / "a" / "p.zip", {"m.png": PICTURE})
    assert image_root([tmp_path / "a"]) == tmp_path / "a"
    assert image_root([tmp_path / "a" / "x.png"]) == tmp_path / "a"
    assert image_root([tmp_path / "a" / "p.zip"]) == tmp_path / "a"
    assert image_root([f"{tmp_path}/a/*/*.png"]) == tmp_path / "a"
    assert image_root([tmp_path / "a" / "b", tmp_path / "c"]) == tmp_path
    assert image_root([tmp_path / "a", tmp_path / "a" / "b"]) == tmp_path / "a"


def test_relative_and_linked_sources_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "real/a.png")
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert image_root(["link"]) == tmp_path / "real"
    assert found(["./link/../link"]) == ["a.png"]


def test_file_outside_the_root_gets_its_absolute_path(tmp_path: Path) -> None:
    put(tmp_path, "in/a.png", "out/b.png")
    assert found([tmp_path / "in", tmp_path / "out"], tmp_path / "in") == ["a.png", f"{tmp_path}/out/b.png"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "does not exist"),
        ("nowhere/*.png", "is not a folder"),
        ("*.nothing", "nothing matches"),
        ("empty", "holds no picture"),
        ("empty.zip", "holds no picture"),
        ("pipe", "named pipe"),
        ("a\0b", "cannot be read"),
    ],
)
def test_source_that_gives_nothing_is_an_error_before_the_first_picture(
    tmp_path: Path, source: str, message: str
) -> None:
    put(tmp_path, "good/a.png", "empty/notes.txt")
    write_zip(tmp_path / "empty.zip", {"notes.txt": b"x"})
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match=message):
        iter_images([tmp_path / "good", f"{tmp_path}/{source}"], tmp_path)


def test_no_sources_at_all_is_an_error() -> None:
    with pytest.raises(SourceError, match="no sources"):
        image_root([])


@pytest.mark.integration
def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    for folder in range(40):
        (tmp_path / f"{folder}").mkdir()
        for number in range(100):
            (tmp_path / f"{folder}" / f"{number}.png").touch()

    def peak(folders: Iterable[Path]) -> int:
        tracemalloc.start()
        try:
            walked = sum(1 for _ in iter_images(list(folders), tmp_path))
            assert walked > 0
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    one = peak([tmp_path / "0"])
    assert peak([tmp_path]) < 2 * one


# Archives


def write_zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 77
            archive.addfile(info, io.BytesIO(content))


MEMBERS = {
    "z.png": PICTURE,
    "./dir/a.png": b"two" * 5000,
    "notes.txt": b"-",
    "__MACOSX/._z.png": b"-",
    "../out.png": b"-",
    "/abs.png": b"-",
    "C:\\abs.png": b"-",
    "b\\..\\..\\c.png": b"-",
}
ARCHIVES = ["a.zip", "a.cbz", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz", "A.TAR.GZ"]


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive_is_read_in_its_own_order_and_again_by_stored_path(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(("zip", "cbz")):
        write_zip(path, MEMBERS)
    else:
        ending = name.lower().rpartition(".")[2]
        write_tar(path, MEMBERS, {"tar": "w", "tgz": "w:gz"}.get(ending, f"w:{ending}"))
    images = [item for item in iter_images([path], tmp_path) if isinstance(item, SourceImage)]

    assert [image.path for image in images] == [f"{name}!/z.png", f"{name}!/dir/a.png"]
    assert [image.read() for image in images] == [PICTURE, b"two" * 5000]
    assert [image.size for image in images] == [len(PICTURE), 15_000]
    assert [open_stored(tmp_path, image.path) for image in images] == [PICTURE, b"two" * 5000]
    assert set(skipped([path])) == {f"{name}!/{member}" for member in list(MEMBERS)[4:]}
    assert count_images([path]) == 2


@pytest.mark.parametrize("other", ["a.png", "./a.png"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_the_member_that_is_found_of_several_of_one_name_is_the_one_that_is_read_again(
    kind: str, other: str, tmp_path: Path
) -> None:
    file = tmp_path / f"pack.{kind}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, about the name
        if kind == "zip":
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("a.png", b"first")
                archive.writestr(other, b"second")
        else:
            with tarfile.open(file, "w") as tar:
                for name, content in (("a.png", b"first"), (other, b"second")):
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    outcomes = list(iter_images([file], tmp_path))
    (image,) = (outcome for outcome in outcomes if isinstance(outcome, SourceImage))
    (passed,) = (outcome for outcome in outcomes if isinstance(outcome, Skipped))
    assert "has the same name" in passed.reason
    assert image.read() == open_stored(tmp_path, image.path) == (b"second" if kind == "zip" else b"first")


def test_archives_in_a_folder_are_left_alone_but_a_glob_opens_them(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    write_zip(tmp_path / "p.zip", {"m.png": PICTURE})
    write_tar(tmp_path / "q.tar", {"n.png": PICTURE})
    assert found([tmp_path]) == ["a.png"]
    assert found([f"{tmp_path}/*.[zt]*", tmp_path / "p.zip"]) == ["p.zip!/m.png", "q.tar!/n.png"]


def test_encrypted_members_and_links_are_skipped(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", {"secret.png": PICTURE, "open.png": PICTURE})
    file = bytearray((tmp_path / "a.zip").read_bytes())
    file[file.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(file)
    assert found([tmp_path / "a.zip"]) == ["a.zip!/open.png"]
    assert skipped([tmp_path / "a.zip"]) == {"a.zip!/secret.png": "encrypted"}

    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert skipped([tmp_path / "b.zip"]) == {"b.zip!/link.png": "a symbolic link, not a file"}

    with tarfile.open(tmp_path / "c.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"{kind!r}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert len(skipped([tmp_path / "c.tar"])) == 4


def test_member_that_unpacks_beyond_the_limit_is_an_image_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 10_000)
    bomb = bytes(1_000_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bomb)
    lying = bytearray((tmp_path / "a.zip").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = lying.index(signature) + offset
        lying[start : start + 4] = struct.pack("<I", 100)
    (tmp_path / "b.zip").write_bytes(lying)
    write_tar(tmp_path / "c.tar.gz", {"bomb.png": bomb, "good.png": PICTURE}, "w:gz")
    for name in ("a.zip", "b.zip", "c.tar.gz"):
        first = next(iter_images([tmp_path / name], tmp_path))
        assert isinstance(first, SourceImage)
        with pytest.raises(ImageError, match=r"limit|damaged"):
            first.read()
    assert found([tmp_path / "c.tar.gz"]) == ["c.tar.gz!/bomb.png", "c.tar.gz!/good.png"]


def test_zip_members_may_be_read_on_many_threads_after_the_walk(tmp_path: Path) -> None:
    members = {f"{number}.png": bytes([number]) * 50_000 for number in range(60)}
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    images = [item for item in iter_images([tmp_path / "a.zip"], tmp_path) if isinstance(item, SourceImage)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda image: image.read(), images * 5)) == list(members.values()) * 5


def test_tar_holds_one_member_at_a_time(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number in range(30):
            info = tarfile.TarInfo(f"{number}.png")
            info.size = 1_000_000
            archive.addfile(info, io.BytesIO(bytes(1_000_000)))
    tracemalloc.start()
    try:
        for item in iter_images([tmp_path / "a.tar"], tmp_path):
            assert isinstance(item, SourceImage)
            assert len(item.read()) == 1_000_000
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_damaged_tar_gives_what_was_readable_and_is_then_reported(tmp_path: Path, mode: str) -> None:
    ending = {"w": "tar"}.get(mode, f"tar.{mode[2:]}")
    path = tmp_path / f"a.{ending}"
    write_tar(path, {f"{number}.png": os.urandom(20_000) for number in range(20)}, mode)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4])
    items = list(iter_images([path], tmp_path))
    assert isinstance(items[-1], Skipped)
    assert items[-1].path == path.name
    assert items[-1].reason.startswith("damaged archive")
    if mode != "w:bz2":  # bzip2 gives nothing of a block that is not whole
        assert len(items) > 5


def test_tar_with_a_broken_header_in_the_middle_is_reported(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"a.png": PICTURE, "b.png": PICTURE})
    file = bytearray((tmp_path / "a.tar").read_bytes())
    file[1024:1100] = b"\xff" * 76
    (tmp_path / "a.tar").write_bytes(file)
    assert found([tmp_path / "a.tar"]) == ["a.tar!/a.png"]
    assert "a.tar" in skipped([tmp_path / "a.tar"])


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.xz", "a.tar.bz2"])
@pytest.mark.parametrize(
    "content", [b"", b"PK\x05\x06 nonsense", b"\x1f\x8b\x08\0", b"\xfd7zXZ\0", b"text" * 500]
)
def test_file_that_is_no_archive_is_skipped_as_a_whole(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert set(skipped([tmp_path / name])) == {name}


def test_tar_header_claiming_gigabytes_of_attributes_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 2**40
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    assert "impossible size" in skipped([tmp_path / "a.tar"])["a.tar"]


def test_tar_member_of_negative_size_does_not_loop(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"a.png": PICTURE, "b.png": PICTURE})
    file = bytearray((tmp_path / "a.tar").read_bytes())
    file[124:136] = b"\xff" * 10 + b"\xf0\x00"  # base-256: minus 4096
    file[148:156] = b"        "
    file[148:156] = b"%06o\0 " % sum(file[:512])
    (tmp_path / "a.tar").write_bytes(file)
    assert "overlaps" in skipped([tmp_path / "a.tar"])["a.tar"]


@pytest.mark.integration
def test_tar_of_many_members_does_not_fill_memory(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number in range(6000):
            archive.addfile(tarfile.TarInfo(f"{number}.png"))
    tracemalloc.start()
    try:
        assert sum(1 for _ in iter_images([tmp_path / "a.tar"], tmp_path)) == 6000
        assert tracemalloc.get_traced_memory()[1] < 2_500_000  # its headers alone take 6 MB
    finally:
        tracemalloc.stop()


@pytest.mark.integration
@settings(max_examples=150)
@given(data=st.data(), name=st.sampled_from(["a.zip", "a.tar", "a.tar.gz"]))
def test_damaged_archive_gives_pictures_or_skips_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    members = {"a.png": PICTURE, "dir/b.png": b"b" * 3000, "c.png": b"c" * 10}
    write_zip(folder / name, members) if name == "a.zip" else write_tar(
        folder / name, members, "w:gz" if name.endswith("gz") else "w"
    )
    file = bytearray((folder / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    del file[data.draw(st.integers(1, len(file))) :]
    (folder / name).write_bytes(file)
    try:
        items = list(iter_images([folder / name], folder))
    except SourceError:
        return  # every name is gone: nothing in it looks like a picture
    for item in items:
        if isinstance(item, SourceImage):
            with contextlib.suppress(ImageError):
                item.read()


# Reading again


def test_stored_path_may_not_lead_out_of_the_root(tmp_path: Path) -> None:
    put(tmp_path, "root/a.png", "outside.png", "root/sub/b.png")
    root = tmp_path / "root"
    (root / "link.png").symlink_to("../outside.png")
    (root / "inner.png").symlink_to("sub/b.png")
    (root / "up").symlink_to("..")
    assert open_stored(root, "a.png") == PICTURE
    assert open_stored(root, "inner.png") == PICTURE
    for path in (
        "../outside.png",
        "sub/../../outside.png",
        f"{tmp_path}/outside.png",
        "link.png",
        "up/outside.png",
    ):
        with pytest.raises(ImageError, match="refused") as caught:
            open_stored(root, path)
        assert caught.value.path == path
    assert open_stored(root, f"{tmp_path}/outside.png", allow_outside=True) == PICTURE
    assert open_stored(root, "link.png", allow_outside=True) == PICTURE
    with pytest.raises(ImageError, match="refused"):
        open_stored(root, "../outside.png", allow_outside=True)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "\0",
        "nowhere.png",
        "folder",
        "p.zip!/nowhere.png",
        "p.zip!/../a.png",
        "no.zip!/a.png",
        "a.png!/b.png",
        "x" * 9999,
        "circle",
        "p.zip!/",
        "p.zip!//etc/passwd",
        "bad.zip!/a.png",
        "a.png/b.png",
        "folder!/a.png",
        "p.zip!/secret.txt",
    ],
)
def test_stored_path_that_cannot_be_read_is_an_image_error(tmp_path: Path, path: str) -> None:
    put(tmp_path, "a.png", "folder/b.png", "bad.zip")
    write_zip(tmp_path / "p.zip", {"m.png": PICTURE})
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(ImageError) as caught:
        open_stored(tmp_path, path)
    assert caught.value.path == path


def test_folder_named_like_an_archive_path_is_still_a_folder(tmp_path: Path) -> None:
    put(tmp_path, "p.zip!/m.png")
    assert found([tmp_path]) == ["p.zip!/m.png"]
    assert open_stored(tmp_path, "p.zip!/m.png") == PICTURE


def test_everything_found_can_be_read_again(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "new\nline.png", "-rf.png", "s/é 絵.png", os.fsdecode(b"\xff.png"))
    write_zip(tmp_path / "p!.zip", {"x!/y.zip!/m.png": PICTURE, "絵.png": PICTURE})
    for path in found([tmp_path, tmp_path / "p!.zip"]):
        assert open_stored(tmp_path, path) == PICTURE
