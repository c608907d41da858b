"""What people keep of a collection: boards, stars, notes, own tags, pairs, saved searches, and their file."""

import hashlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v_search.errors import AnnotationsError, CollectionLockedError, QueryError
from i2v_search.store.annotations import database
from i2v_search.store.annotations.annotations import Annotations, annotation_damages
from i2v_search.store.annotations.boards import MAX_PICTURES
from i2v_search.store.annotations.database import FILE_NAME, AnnotationFile
from i2v_search.store.annotations.layouts import Place
from i2v_search.store.annotations.merging import merge_annotations
from i2v_search.store.annotations.pictures import KeptPicture, PictureNotes
from i2v_search.store.annotations.schema import STEPS
from i2v_search.store.annotations.searches import SavedSearch

FIRST_FORMAT = Path(__file__).parents[1] / "data" / "annotations-1.sql"


def picture(number: int, path: str | None = None) -> KeptPicture:
    return KeptPicture(hashlib.sha256(b"%d" % number).hexdigest(), path or f"{number}.png")


@pytest.fixture
def kept(tmp_path: Path) -> Annotations:
    return Annotations(tmp_path)


def on(kept: Annotations, board: int) -> list[str]:
    return [one.path for one in kept.boards.pictures(board)]


def test_reading_makes_no_file(kept: Annotations) -> None:
    assert kept.boards.all() == ()
    assert kept.pictures.of(picture(1).sha256) == PictureNotes()
    assert kept.searches.all() == ()
    assert list(kept.path.parent.iterdir()) == []


def test_boards_keep_their_order_and_that_of_their_pictures(kept: Annotations) -> None:
    mood, faces = kept.boards.make("Mood", "for the forest"), kept.boards.make("Faces")
    assert kept.boards.put(mood.id, [picture(n) for n in (1, 2, 3)]) == 3
    assert kept.boards.put(mood.id, [picture(3), picture(4)], before=picture(2).sha256) == 1
    assert on(kept, mood.id) == ["1.png", "3.png", "4.png", "2.png"]
    assert kept.boards.take(mood.id, [picture(1), picture(9)]) == 1
    kept.boards.move(faces.id, before=mood.id)
    kept.boards.rename(mood.id, "  The mood ")

    again = Annotations(kept.path.parent)
    assert [(board.name, board.size, board.note) for board in again.boards.all()] == [
        ("Faces", 0, ""),
        ("The mood", 3, "for the forest"),
    ]
    assert again.boards.named("The mood").cover == (picture(3), picture(4), picture(2))


def test_a_deleted_board_comes_back_with_everything_on_it(kept: Annotations) -> None:
    board = kept.boards.make("Mood", "a note")
    kept.boards.put(board.id, [picture(1), picture(2)])
    kept.boards.delete(board.id)
    assert kept.boards.all() == ()
    with pytest.raises(QueryError, match="there is no board"):
        kept.boards.put(board.id, [picture(3)])
    other = kept.boards.make("Mood")

    restored = kept.boards.restore(board.id)

    assert (restored.name, restored.note, restored.size) == ("Mood (2)", "a note", 2)
    assert kept.boards.named("Mood").id == other.id
    with pytest.raises(QueryError, match="no deleted board"):
        kept.boards.restore(board.id)


def test_a_board_deleted_a_month_ago_is_gone_with_its_places(kept: Annotations) -> None:
    old, new = kept.boards.make("old"), kept.boards.make("new")
    kept.boards.put(old.id, [picture(1)])
    kept.boards.delete(old.id)
    with closing(sqlite3.connect(kept.path)) as edited, edited:
        edited.execute("UPDATE boards SET deleted = deleted - 31 * 86400 WHERE id = ?", (old.id,))
    kept.boards.delete(new.id)
    with pytest.raises(QueryError, match="no deleted board"):
        kept.boards.restore(old.id)
    with closing(sqlite3.connect(kept.path)) as looked_at:
        assert looked_at.execute("SELECT count(*) FROM board_pictures").fetchone() == (0,)


def test_names_are_shown_as_they_are_and_occur_once(kept: Annotations) -> None:
    nasty = "<b>'; DROP TABLE boards; --\u202e\x1b[2J\udcff\0 %s"
    board = kept.boards.make(nasty)
    assert board.name == "<b>'; DROP TABLE boards; --\\u202e\\x1b[2J\\xff\\x00 %s"
    assert kept.boards.named(nasty).id == board.id
    with pytest.raises(QueryError, match="already"):
        kept.boards.make(nasty)
    for wrong in ("", " \n ", "x" * 201):
        with pytest.raises(QueryError, match="the name of a board"):
            kept.boards.make(wrong)
    with pytest.raises(QueryError, match=r"no board 'mood'; boards: <b>"):
        kept.boards.named("mood")


def test_a_path_keeps_its_bytes(kept: Annotations) -> None:
    board = kept.boards.make("odd")
    odd = [picture(1, "caf\udce9/\u202e.png"), picture(2, "a\nb'\"%_.png"), picture(3, "猫.png")]
    kept.boards.put(board.id, odd)
    assert kept.boards.pictures(board.id) == tuple(odd)


def test_a_board_is_not_filled_beyond_its_bound(kept: Annotations) -> None:
    board = kept.boards.make("full")
    kept.boards.put(board.id, map(picture, range(MAX_PICTURES)))
    with pytest.raises(QueryError, match=r"5,001 pictures; at most 5,000"):
        kept.boards.put(board.id, [picture(MAX_PICTURES)])
    assert kept.boards.get(board.id).size == MAX_PICTURES


@settings(max_examples=12)
@given(
    st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 5), max_size=4), st.integers(0, 5)), max_size=6)
)
def test_a_board_follows_a_list(changes: list[tuple[bool, list[int], int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept, expected = Annotations(Path(folder)), list[int]()
        board = kept.boards.make("list").id
        for puts, numbers, before in changes:
            left = [one for one in expected if one not in numbers]
            if puts:
                kept.boards.put(board, map(picture, numbers), before=picture(before).sha256)
                place = left.index(before) if before in left else len(left)
                expected = [*left[:place], *dict.fromkeys(numbers), *left[place:]]
            else:
                kept.boards.take(board, map(picture, numbers))
                expected = left
            assert on(kept, board) == [f"{one}.png" for one in expected]


def test_a_layout_is_kept_picture_by_picture(kept: Annotations) -> None:
    board = kept.boards.make("Mood").id
    kept.boards.put(board, map(picture, range(3)))
    one, two = Place(0.0, 10.5, 0.25, rotation=90.0, depth=2.0, group=7), Place(-5.0, 0.0, 1.0)
    kept.layouts.lay(board, [(picture(0), one)], unless_laid=[(picture(0), two), (picture(1), two)])
    other = Annotations(kept.path.parent)  # another page, which moves another picture
    other.layouts.lay(board, [(picture(1), one)], unless_laid=[(picture(0), two)])
    assert kept.layouts.of(board) == {picture(0).sha256: one, picture(1).sha256: one}
    kept.layouts.lay(board, [(picture(0), two)])
    assert other.layouts.of(board) == {picture(0).sha256: two, picture(1).sha256: one}

    # What is taken off and put back lies where it lay; an order changes no place.
    kept.boards.take(board, [picture(0)])
    assert list(kept.layouts.of(board)) == [picture(1).sha256]
    kept.boards.put(board, [picture(0)], before=picture(1).sha256)
    assert kept.layouts.of(board)[picture(0).sha256] == two
    with pytest.raises(QueryError, match="no board"):
        kept.layouts.lay(board + 1, [(picture(0), one)])
    for wrong in ((float("nan"), 0, 1), (0, 2e6, 1), (0, 0, 0), (0, 0, 1, 360.0), (0, 0, 1, 0, float("inf"))):
        with pytest.raises(QueryError, match="cannot lie like this"):
            Place(*wrong)


def test_stars_notes_and_tags_of_a_picture(kept: Annotations) -> None:
    kept.pictures.star([picture(1), picture(2)])
    kept.pictures.star([picture(2)], starred=False)
    kept.pictures.note(picture(1), "line one\r\nline two \x07")
    kept.pictures.tag([picture(1), picture(3)], ["Long_Hair", "mine", "mine"])
    kept.pictures.tag([picture(1)], ["red, dark"], remove=["long hair"])

    assert kept.pictures.of(picture(1).sha256) == PictureNotes(
        True, "line one\nline two \\x07", ("mine", "red, dark")
    )
    assert kept.pictures.starred() == (picture(1),)
    assert kept.pictures.tagged() == {
        "long hair": (picture(3).sha256,),
        "mine": (picture(1).sha256, picture(3).sha256),
        "red, dark": (picture(1).sha256,),
    }
    assert list(kept.pictures.all()) == [picture(1), picture(3)]
    with pytest.raises(QueryError, match="102 tags"):
        kept.pictures.tag([picture(3)], [f"t{number}" for number in range(100)])
    assert kept.pictures.of(picture(3).sha256).tags == ("long hair", "mine")


def test_pairs_that_are_not_copies(kept: Annotations) -> None:
    one, other = sorted((picture(1), picture(2)), key=lambda kept: kept.sha256)
    kept.pictures.set_not_copies(other, one)
    assert kept.pictures.not_copies() == {(one.sha256, other.sha256)}
    kept.pictures.set_not_copies(one, other, apart=False)
    assert kept.pictures.not_copies() == frozenset()
    with pytest.raises(QueryError, match="one content"):
        kept.pictures.set_not_copies(one, one)


def test_saved_searches_come_newest_first(kept: Annotations) -> None:
    kept.searches.save("owls", "?tag=owl")
    kept.searches.save("cats", "?tag=cat")
    kept.searches.save("owls", "?tag=owl&tag=-night")
    kept.searches.save("cats", "?tag=dog", replace=False)
    assert kept.searches.all() == (
        SavedSearch("owls", "?tag=owl&tag=-night"),
        SavedSearch("cats", "?tag=cat"),
    )
    kept.searches.rename("owls", "cats")
    assert kept.searches.all() == (SavedSearch("cats", "?tag=owl&tag=-night"),)
    kept.searches.delete("cats")
    kept.searches.delete("cats")
    assert kept.searches.all() == ()
    for wrong in ("tag=owl", "javascript:alert(1)", "?a b", "?" + "x" * 8000, "?\n"):
        with pytest.raises(QueryError, match="a search"):
            kept.searches.save("wrong", wrong)


def test_two_writers_at_once_both_have_their_way(kept: Annotations) -> None:
    board = kept.boards.make("shared").id

    def write(writer: int) -> None:
        mine = Annotations(kept.path.parent)
        for number in range(10):
            mine.boards.put(board, [picture(100 * writer + number)])
            mine.pictures.tag([picture(1)], [f"w{writer} n{number}"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert kept.boards.get(board).size == 40
    assert len(kept.pictures.of(picture(1).sha256).tags) == 40


def test_a_new_file_can_be_begun_by_several_at_once(kept: Annotations) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: Annotations(kept.path.parent).boards.make(f"b{number}"), range(8)))
    assert len(kept.boards.all()) == 8


def test_what_a_killed_writer_was_told_is_kept_is_kept(kept: Annotations) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from i2v_search.store.annotations.annotations import Annotations\n"
        "kept = Annotations(Path(sys.argv[1]))\n"
        "for number in range(10**6): print(kept.boards.make(f'b{number}').name, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, kept.path.parent], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline().strip() for _ in range(20)]
        writer.kill()
        told += writer.stdout.read().split()
    assert writer.returncode in {-signal.SIGKILL, 1}
    names = [board.name for board in kept.boards.all()]
    assert names[: len(told)] == told
    assert len(names) <= len(told) + 1
    kept.boards.make("after")


def test_the_first_format_is_read_and_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    with closing(sqlite3.connect(path)) as made:
        made.executescript(FIRST_FORMAT.read_text("utf-8"))
    kept = Annotations(tmp_path)
    for _ in range(2):
        (board,) = kept.boards.all()
        assert (board.name, board.note, on(kept, board.id)) == ("Mood", "dusk", ["b.png", "caf\udce9.png"])
        (notes,) = (notes for picture, notes in kept.pictures.all().items() if picture.path == "b.png")
        assert notes == PictureNotes(True, "my note", ("night",))
        assert len(kept.pictures.not_copies()) == 1
        assert kept.searches.all() == (SavedSearch("owls", "?tag=owl"),)
        assert kept.layouts.of(board.id) == {}
        kept.searches.save("owls", "?tag=owl")  # a change brings it up to date
    assert (tmp_path / "annotations-1.backup.sqlite").is_file()


#: This format with a further column, as a later version might have it.
NEXT = (*STEPS, ("ALTER TABLE boards ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'",))


def test_an_older_file_is_copied_before_it_is_changed(kept: Annotations) -> None:
    board = kept.boards.make("Mood")
    before = kept.path.read_bytes()
    later = AnnotationFile(kept.path, NEXT)
    with later.reading() as read:
        assert read.execute("SELECT name, colour FROM boards").fetchall() == [("Mood", "grey")]
    assert kept.path.read_bytes() == before
    with later.writing() as written:
        written.execute("UPDATE boards SET colour = 'red'")

    copy = kept.path.with_name(f"annotations-{len(STEPS)}.backup.sqlite")
    with closing(sqlite3.connect(copy)) as looked_at:
        assert looked_at.execute("SELECT id, name FROM boards").fetchall() == [(board.id, "Mood")]
        assert looked_at.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
    with later.reading() as read:
        assert read.execute("SELECT name, colour FROM boards").fetchall() == [("Mood", "red")]
    changed = kept.path.read_bytes()
    with pytest.raises(AnnotationsError, match="written by a later version"):
        Annotations(kept.path.parent).boards.make("more")
    assert kept.path.read_bytes() == changed


def test_a_step_that_fails_leaves_the_older_file(kept: Annotations) -> None:
    kept.boards.make("Mood")
    broken = AnnotationFile(kept.path, (*STEPS, ("CREATE TABLE extra (x)", "CREATE TABLE boards (x)")))
    with pytest.raises(AnnotationsError, match="boards already exists"), broken.writing():
        pass
    assert [board.name for board in Annotations(kept.path.parent).boards.all()] == ["Mood"]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _scribble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 : 4096 + 600] = b"x" * 600
    path.write_bytes(content)


def _other(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE cookies (name)")


def _trigger(path: Path) -> None:
    with closing(sqlite3.connect(path)) as edited, edited:
        edited.execute("CREATE TRIGGER t AFTER INSERT ON tags BEGIN DELETE FROM boards; END")


def _blob(path: Path) -> None:
    with closing(sqlite3.connect(path)) as edited, edited:
        edited.execute("PRAGMA ignore_check_constraints = ON")
        edited.execute("UPDATE boards SET name = x'ff00'")


def _endless(path: Path) -> None:
    with closing(sqlite3.connect(path)) as edited, edited:
        edited.execute("PRAGMA ignore_check_constraints = ON")
        edited.execute(f"INSERT INTO pictures VALUES (1, '{'0' * 64}', x'61', 0, '')")
        edited.execute("INSERT INTO board_layouts VALUES (1, 1, 0.0, 0.0, 9e999, 0.0, 0.0, NULL)")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"PK\x03\x04 no database" * 9), "damaged"),
        (_cut, "damaged"),
        (_scribble, "damaged"),
        (_other, "another program"),
        (_trigger, "its tables are not those"),
        (_blob, "damaged"),
        (_endless, "damaged"),
    ],
    ids=["text", "cut", "scribbled", "of another program", "with a trigger", "of other types", "endless"],
)
def test_a_damaged_file_is_refused_and_left_as_it_is(
    kept: Annotations, damage: "object", message: str
) -> None:
    kept.boards.make("Mood")
    damage(kept.path)  # type: ignore[operator]
    before, again = kept.path.read_bytes(), Annotations(kept.path.parent)
    for use in (again.boards.all, lambda: again.boards.make("new")):
        with pytest.raises(AnnotationsError, match=message):
            use()
    assert kept.path.read_bytes() == before


def test_what_is_no_file_is_not_waited_for(kept: Annotations) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    os.mkfifo(kept.path)
    for use in (kept.boards.all, lambda: kept.boards.make("new")):
        with pytest.raises(AnnotationsError, match="not a file"):
            use()


def test_a_folder_that_cannot_be_written_is_read(kept: Annotations) -> None:
    kept.boards.make("Mood")
    folder = kept.path.parent
    for path in (kept.path, folder):
        path.chmod(stat.S_IRUSR | (stat.S_IXUSR if path.is_dir() else 0))
    try:
        if os.access(kept.path, os.W_OK):
            pytest.skip("this user may write everywhere")
        assert [board.name for board in Annotations(folder).boards.all()] == ["Mood"]
        with pytest.raises(AnnotationsError, match="cannot be used"):
            kept.boards.make("more")
    finally:
        folder.chmod(0o700)
        kept.path.chmod(0o600)


def test_a_writer_that_does_not_end_is_named(kept: Annotations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    kept.boards.make("Mood")
    with closing(sqlite3.connect(kept.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CollectionLockedError, match="another process is writing"):
            kept.boards.make("more")
        assert len(kept.boards.all()) == 1


def test_the_stamp_tells_of_every_change(kept: Annotations) -> None:
    stamps = [kept.stamp]
    for change in (
        lambda: kept.boards.make("a"),
        lambda: kept.pictures.star([picture(1)]),
        lambda: kept.pictures.star([picture(1)], starred=False),
    ):
        change()
        stamps.append(kept.stamp)
    kept.boards.all()
    assert stamps[-1] == kept.stamp
    assert len(set(stamps)) == len(stamps)


def test_what_is_kept_of_another_collection_comes_along_and_nothing_is_lost(tmp_path: Path) -> None:
    for folder in (tmp_path / "ours", tmp_path / "theirs"):
        folder.mkdir()
    ours, theirs = Annotations(tmp_path / "ours"), Annotations(tmp_path / "theirs")
    merge_annotations(ours, theirs, str)
    assert not ours.path.exists()  # nothing is kept, and no file is made

    here = ours.boards.make("Mood", "ours")
    ours.boards.put(here.id, [picture(1), picture(2)])
    ours.pictures.note(picture(1), "my note")
    ours.pictures.tag([picture(1)], ["night"])
    ours.searches.save("owls", "?tag=owl")
    there = theirs.boards.make("Mood", "theirs")
    theirs.boards.put(there.id, [picture(3), picture(2), picture(4)])
    ours.layouts.lay(here.id, [(picture(2), Place(1.0, 2.0, 1.0, group=0))])
    theirs.layouts.lay(there.id, [(picture(n), Place(9.0, 9.0, 1.0, group=0)) for n in (2, 3, 4)])
    theirs.boards.put(theirs.boards.make("Faces").id, [picture(4)])
    theirs.boards.delete(theirs.boards.make("gone").id)
    theirs.pictures.note(picture(1, "art/1.png"), "another note")
    theirs.pictures.star([picture(1), picture(4)])
    theirs.pictures.tag([picture(1)], ["commission"])
    theirs.pictures.set_not_copies(picture(3), picture(1))
    theirs.searches.save("owls", "?tag=owl&colour=%23ffffff")
    theirs.searches.save("cats", "?tag=cat")

    for _ in range(2):  # merging again changes nothing
        merge_annotations(ours, theirs, lambda path: f"theirs/{path}")
        assert [(board.name, board.note) for board in ours.boards.all()] == [
            ("Mood", "ours\n\ntheirs"),
            ("Faces", ""),
        ]
        assert on(ours, here.id) == ["1.png", "2.png", "theirs/3.png", "theirs/4.png"]
        laid = ours.layouts.of(here.id)
        assert (laid[picture(2).sha256].x, laid[picture(3).sha256].x) == (1.0, 9.0)
        assert laid[picture(2).sha256].group != laid[picture(3).sha256].group == laid[picture(4).sha256].group
        notes = ours.pictures.of(picture(1).sha256)
        assert notes == PictureNotes(True, "my note\n\nanother note", ("commission", "night"))
        assert ours.pictures.not_copies() == {tuple(sorted([picture(1).sha256, picture(3).sha256]))}
        assert {search.name: search.query for search in ours.searches.all()} == {
            "owls": "?tag=owl",
            "owls (2)": "?tag=owl&colour=%23ffffff",
            "cats": "?tag=cat",
        }
    assert annotation_damages(tmp_path / "ours") == []


def test_verify_finds_what_reading_does_not(kept: Annotations) -> None:
    assert annotation_damages(kept.path.parent) == []
    kept.boards.put(kept.boards.make("Mood").id, [picture(1)])
    assert annotation_damages(kept.path.parent) == []
    with closing(sqlite3.connect(kept.path)) as edited, edited:
        edited.execute("DELETE FROM pictures")  # without the checks of a reader
    (damage,) = annotation_damages(kept.path.parent)
    assert damage.file == FILE_NAME
    assert "board_pictures leads nowhere" in damage.problem
    assert "restore it from a backup" in damage.problem
