"""Data sets: folders and archives with tags.jsonl or Danbooru's metadata, their targets and their split."""

import io
import json
import multiprocessing
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from i2v_search.errors import ImageError, SourceError, TagError
from i2v_search.images.fingerprints import duplicates, fingerprint
from i2v_search.images.metadata import posts as danbooru
from i2v_search.tags.vocabulary import Tag, Vocabulary
from i2v_search.training.datasets import packed
from i2v_search.training.datasets.dataset import Dataset, Picture, choose_vocabulary, read_dataset, targets
from i2v_search.training.datasets.facts import dataset_facts
from i2v_search.training.datasets.splitting import Split, joined, split


def drawing(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A drawing of a few shapes on white that no other seed gives."""
    numbers = np.random.default_rng(seed)
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for _ in range(8):
        x, y, w, h = numbers.random(4) * [size[0] * 0.7, size[1] * 0.7, size[0] * 0.5, size[1] * 0.5]
        colour = tuple(int(level) for level in numbers.integers(0, 230, 3))
        draw.ellipse((x, y, x + w + 4, y + h + 4), fill=colour, outline="black")
    return picture


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def write(folder: Path, lines: Sequence[Any], files: dict[str, bytes], name: str = "tags.jsonl") -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / name).write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    return folder


def picture(path: str, tags: Sequence[str] = (), **said: Any) -> Picture:
    given = {"unknown": frozenset(), "label": "", "group": path, "source": "", "licence": "", **said}
    return Picture(path, tuple(Tag(tag) for tag in tags), **given)


def made(pictures: Sequence[Picture], name: str = "set") -> Dataset:
    return Dataset(Path("nowhere"), tuple(pictures), name)


# Reading


LINES = [
    {
        "path": "birds/owl.png",
        "tags": ["Owl", "wise_bird", "miku"],
        "categories": {"miku": "character"},
        "unknown": ["night", "Long_Hair"],
        "label": "bird",
        "group": "owls",
        "source": "a book",
        "licence": "CC0-1.0",
        "title": "Owl",
    },
    {"path": "cats/tabby/cat.png", "tags": ["cat"]},
    {"path": "dog.png"},
]
FILES = {"birds/owl.png": b"owl", "cats/tabby/cat.png": b"cat", "dog.png": b"dog"}


def check(dataset: Dataset, prefix: str = "") -> None:
    owl, cat, dog = dataset.pictures
    assert owl == Picture(
        f"{prefix}birds/owl.png",
        (Tag("owl"), Tag("wise bird"), Tag("miku", 1.0, "character")),
        frozenset({"night", "long hair"}),
        "bird",
        "owls",
        "a book",
        "CC0-1.0",
        {"source": "a book", "licence": "CC0-1.0"},
    )
    assert (cat.label, cat.group, cat.unknown, cat.source, cat.licence) == (
        "cats/tabby",
        f"{prefix}cats/tabby/cat.png",
        frozenset(),
        "",
        "",
    )
    assert (dog.label, dog.tags) == ("", ())
    assert [dataset.read(one) for one in dataset.pictures] == [b"owl", b"cat", b"dog"]


def test_a_folder_with_tags_is_a_data_set(tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path / "zoo", LINES, FILES))
    assert (dataset.name, dataset.root, len(dataset)) == ("zoo", (tmp_path / "zoo").resolve(), 3)
    check(dataset)
    assert read_dataset(str(tmp_path / "zoo")) == dataset


@pytest.mark.parametrize("inside", ["", "zoo/"])
@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
def test_an_archive_with_tags_is_one_too(tmp_path: Path, ending: str, inside: str) -> None:
    folder = write(tmp_path / "zoo", LINES, FILES)
    archive = tmp_path / f"pack{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(archive, "w") as zipped:
            for file in sorted(folder.rglob("*.*")):
                zipped.write(file, inside + file.relative_to(folder).as_posix())
    else:
        with tarfile.open(archive, "w:gz" if ending.endswith("gz") else "w") as tarred:
            for file in sorted(folder.rglob("*.*")):
                tarred.add(file, inside + file.relative_to(folder).as_posix())
    dataset = read_dataset(archive)
    assert dataset.name == "pack"
    check(dataset, f"pack{ending}!/{inside}")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(dataset.read, dataset.pictures * 50)) == [b"owl", b"cat", b"dog"] * 50


def test_processes_may_read_one_archive_at_once(tmp_path: Path) -> None:
    pictures = {f"{number}.png": bytes([number]) * 50_000 for number in range(40)}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("tags.jsonl", "\n".join(json.dumps({"path": path}) for path in pictures))
        for path, content in pictures.items():
            zipped.writestr(path, content)
    dataset = read_dataset(tmp_path / "a.zip")
    assert dataset.read(dataset.pictures[0]) == pictures["0.png"]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(dataset.read, dataset.pictures) == list(pictures.values())


def test_a_tar_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MAX_TAR_BYTES", 1000)
    write(tmp_path, [{"path": "a.png"}], {"a.png": b"x" * 1001})
    with tarfile.open(tmp_path / "a.tar", "w") as tarred:
        tarred.add(tmp_path / "tags.jsonl", "tags.jsonl")
        tarred.add(tmp_path / "a.png", "a.png")
    with pytest.raises(SourceError, match="unpack it, or pack it as a zip"):
        read_dataset(tmp_path / "a.tar")


def test_pictures_that_are_not_there_are_passed_over(tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path, [{"path": "a.png"}, {"path": "b.png"}], {"b.png": b""}))
    assert [one.path for one in dataset.pictures] == ["b.png"]
    assert [(one.path, one.reason) for one in dataset.skipped] == [
        ("a.png", "annotated, but the file does not exist")
    ]
    (tmp_path / "b.png").unlink()
    with pytest.raises(SourceError, match="none of its 2 annotated pictures exists; first missing: a"):
        read_dataset(tmp_path)


def test_the_last_line_about_a_picture_counts(tmp_path: Path) -> None:
    lines = [{"path": "a.png", "tags": ["x"]}, {"path": "a.png", "tags": ["y"]}]
    assert [one.tags for one in read_dataset(write(tmp_path, lines, {"a.png": b""})).pictures] == [
        (Tag("y"),)
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"path": "../a.png"}, "points outside"),
        ({"path": "/a.png"}, "points outside"),
        ({"path": "a.png", "tags": ["hat"], "unknown": ["Hat"]}, "line 2: tag 'hat' is in both"),
        ({"path": "a.png", "unknown": "hat"}, 'line 2: "unknown" must be a list'),
        ({"path": "a.png", "unknown": [5]}, 'line 2: "unknown" must be a list'),
        ({"path": "a.png", "unknown": ["x"] * 5000}, "line 2: 5000 unknown tags"),
        ({"path": "a.png", "label": 5}, 'line 2: "label" must be a string'),
        ({"path": "a.png", "group": None}, 'line 2: "group" must be a string'),
        ({"path": "a.png", "tags": ["x"], "categories": {"x": "mood"}}, "line 2: tag 'x' has category"),
        ("{", "line 2: expected a JSON object"),
    ],
)
def test_a_line_that_is_not_valid_is_named(tmp_path: Path, line: Any, said: str) -> None:
    write(tmp_path, [{"path": "a.png"}, line], {"a.png": b""})
    with pytest.raises(SourceError, match=said):
        read_dataset(tmp_path)


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    for name, said in (
        ("missing", "does not exist"),
        ("a.png", "is not a data set"),
        ("empty", "holds no picture"),
        ("untold", "has no tags.jsonl"),
    ):
        (tmp_path / "a.png").write_bytes(b"")
        (tmp_path / "empty").mkdir(exist_ok=True)
        write(tmp_path / "untold", [], {"a.png": b"pixels"}, "notes.md")
        with pytest.raises(SourceError, match=said):
            read_dataset(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "bare.zip", "w") as zipped:
        zipped.writestr("a.png", b"")
    with pytest.raises(SourceError, match=r"has no tags\.jsonl"):
        read_dataset(tmp_path / "bare.zip")
    (tmp_path / "broken.zip").write_bytes(b"PK")
    with pytest.raises(SourceError, match="damaged archive"):
        read_dataset(tmp_path / "broken.zip")


def test_a_picture_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = write(tmp_path / "set", [{"path": "link.png"}], {"link.png": b""})
    (folder / "link.png").unlink()
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    dataset = read_dataset(folder)
    with pytest.raises(ImageError, match="points outside"):
        dataset.read(dataset.pictures[0])


# Danbooru's metadata


NEW = {
    "id": 7,
    "md5": "d41d",
    "file_ext": "jpg",
    "rating": "g",
    "source": "a site",
    "parent_id": 3,
    "tag_string_general": "1girl long_hair",
    "tag_string_character": "hatsune_miku",
    "tag_string_copyright": "vocaloid",
    "tag_string_artist": "someone",
    "tag_string_meta": "highres",
}
OLD = {
    "id": "9",
    "rating": "q",
    "tags": [
        {"id": "1", "name": "1boy", "category": "0"},
        {"name": "someone", "category": 1},
        {"name": "a_series", "category": "3"},
        {"name": "hero_(series)", "category": "4"},
        {"name": "translated", "category": "5"},
    ],
}


def as_pairs(one: Picture) -> list[tuple[str, str]]:
    return [(tag.name, tag.category) for tag in one.tags]


def test_posts_of_e621_are_read(tmp_path: Path) -> None:
    post = {
        "id": 7,
        "file": {"md5": "d41d", "ext": "jpg", "url": None},
        "tags": {"general": ["hat"], "species": ["wolf"], "artist": ["me"], "lore": [], "meta": ["hi_res"]},
        "rating": "s",
    }
    (one,) = read_dataset(write(tmp_path / "set", [post], {"d41d.jpg": b"new"}, "posts.json")).pictures
    assert one.path == "d41d.jpg"
    assert as_pairs(one) == [
        ("hat", "general"),
        ("wolf", "general"),
        ("me", "artist"),
        ("hi res", "meta"),
        ("safe", "rating"),
    ]


@pytest.mark.parametrize("form", ["lines", "array", "archive", "the file itself"])
def test_danbooru_metadata_is_read(tmp_path: Path, form: str) -> None:
    files = {"d41d.jpg": b"new", "0009/9.png": b"old"}
    text = json.dumps([NEW, OLD], indent=1) if form == "array" else f"{json.dumps(NEW)}\n{json.dumps(OLD)}"
    folder = write(tmp_path / "set", [text], files, "posts.json")
    source, prefix = folder, ""
    if form == "the file itself":
        write(folder, ["{}"], {}, "another.json")
        source = folder / "posts.json"
    if form == "archive":
        source, prefix = tmp_path / "set.zip", "set.zip!/"
        with zipfile.ZipFile(source, "w") as zipped:
            for file in folder.rglob("*.*"):
                zipped.write(file, file.relative_to(folder))
    dataset = read_dataset(source)
    new, old = dataset.pictures
    assert dataset.name == "set"
    assert as_pairs(new) == [
        ("1girl", "general"),
        ("long hair", "general"),
        ("hatsune miku", "character"),
        ("vocaloid", "copyright"),
        ("someone", "artist"),
        ("highres", "meta"),
        ("general", "rating"),
    ]
    assert (new.path, new.label, new.group, new.source) == (
        f"{prefix}d41d.jpg",
        "hatsune miku",
        "post 3",
        "a site",
    )
    assert as_pairs(old)[1:] == [
        ("someone", "artist"),
        ("a series", "copyright"),
        ("hero (series)", "character"),
        ("translated", "meta"),
        ("questionable", "rating"),
    ]
    assert (old.path, old.label, old.group) == (f"{prefix}0009/9.png", "hero (series)", "post 9")
    assert [dataset.read(one) for one in dataset.pictures] == [b"new", b"old"]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({"file_name": "Art.PNG"}, "art.png"),
        ({"file_url": "https://a.example/x/abc.jpg?download"}, "abc.jpg"),
        ({"file_url": "https://a.example/x/abc.jpg"}, "abc.webp"),
        ({"md5": "abc", "file_ext": "png"}, "ab/abc.png"),
        ({"md5": "abc", "file_ext": "png"}, "abc.webp"),
        ({"id": 12}, "0012/12.jpg"),
    ],
)
def test_a_post_finds_its_picture(tmp_path: Path, said: dict[str, Any], name: str) -> None:
    write(tmp_path, [{**said, "tag_string_general": "x"}], {name: b"x", "other.png": b""}, "posts.jsonl")
    assert [one.path for one in read_dataset(tmp_path).pictures] == [name]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        *(("g", "general"), ("s", "safe"), ("sensitive", "sensitive"), ("safe", "safe")),
        ("General", "general"),
        *(("q", "questionable"), ("questionable", "questionable"), ("e", "explicit")),
    ],
)
def test_ratings_are_those_that_the_post_has(given: str, meant: str) -> None:
    line = json.dumps({"id": 1, "tag_string_general": None, "rating": given}).encode()
    post = next(danbooru.read_posts(io.BytesIO(line), "posts"))
    assert post.tags == (Tag(meant, 1.0, "rating"),)


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ({"id": 1, "tag_string_general": "x", "rating": "z"}, TagError, "rating 'z' is unknown"),
        ({"id": 1, "tag_string_general": [5]}, TagError, '"tag_string_general" must be a string'),
        ({"id": 1, "tags": [{"name": "x", "category": "2"}]}, TagError, "category '2'; one of"),
        ({"id": 1, "tags": [{"category": "0"}]}, TagError, "a tag must be"),
        ({"id": 1, "tags": ["x"]}, TagError, "a tag must be"),
        ({"id": 1, "score": 5}, TagError, "no tags"),
        ({"tag_string_general": "x"}, SourceError, "its picture has no name"),
        ([1], SourceError, "expected a post"),
        ("{", SourceError, "expected JSON posts"),
        ("[" * 50_000, SourceError, "expected JSON posts"),
    ],
    ids=range(10),
)
def test_a_post_that_is_not_valid_is_named(
    tmp_path: Path, line: Any, error: type[Exception], said: str
) -> None:
    write(tmp_path, [{"id": 1, "tag_string_general": "x"}, line], {"1.png": b""}, "posts.jsonl")
    if isinstance(line, list):
        line = json.dumps([{"id": 1, "tag_string_general": "x"}, 5])
        write(tmp_path, [line], {}, "posts.jsonl")
    with pytest.raises(error, match=said) as caught:
        read_dataset(tmp_path)
    assert "posts.jsonl" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_posts_without_a_picture_are_passed_over(tmp_path: Path) -> None:
    posts = [{"id": number, "tag_string_general": "x"} for number in (1, 2)]
    dataset = read_dataset(write(tmp_path, posts, {"2.png": b""}, "posts.jsonl"))
    assert [one.path for one in dataset.pictures] == ["2.png"]
    assert dataset.skipped[0].path.endswith("posts.jsonl, line 1")


posts = st.dictionaries(
    st.sampled_from(["id", "md5", "file_ext", "tags", "tag_string_general", "rating", "parent_id", "source"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    ),
)


@settings(max_examples=200)
@given(st.binary() | posts.map(lambda post: json.dumps(post).encode()))
def test_any_post_is_read_or_refused(line: bytes) -> None:
    try:
        for post in danbooru.read_posts(io.BytesIO(line), "posts"):
            assert post.files
            assert all(tag.name.encode() for tag in post.tags)
    except (SourceError, TagError):
        pass


# Vocabulary and targets


def test_the_vocabulary_holds_frequent_tags_by_category() -> None:
    pictures = [picture(f"{n}", ["all", *["rare"] * (n < 2), *["half"] * (n % 2)]) for n in range(10)]
    pictures = [
        Picture(one.path, (*one.tags, Tag("miku", 1.0, "character")), frozenset(), "", "", "", "")
        if number < 5
        else one
        for number, one in enumerate(pictures)
    ]
    vocabulary = choose_vocabulary([made(pictures)], minimum=3)
    assert list(zip(vocabulary.names, vocabulary.categories, strict=True)) == [
        ("half", "general"),
        ("miku", "character"),
    ]
    assert choose_vocabulary([made(pictures), made([picture("x", ["half"])])], minimum=3).names == (
        "half",
        "miku",
    )
    with pytest.raises(TagError, match="11 pictures must have it"):
        choose_vocabulary([made(pictures)], minimum=11)


def test_a_tag_that_no_picture_is_known_to_lack_is_not_learned() -> None:
    pictures = [picture("a", ["hat", "x"]), picture("b", ["x"], unknown=frozenset({"hat"})), picture("c")]
    assert choose_vocabulary([made(pictures)], minimum=1).names == ("x", "hat")
    with pytest.raises(TagError, match="no tag can be learned"):
        choose_vocabulary([made(pictures[:2])], minimum=1)


names = st.sampled_from(["hat", "cat", "sun", "sea"])
annotated = st.lists(
    st.builds(
        lambda tags, unknown: picture("p", sorted(tags), unknown=frozenset(unknown - tags)),
        st.sets(names),
        st.sets(names),
    ),
    max_size=6,
)


@given(st.lists(annotated, max_size=3))
def test_targets_say_what_is_known(sets: list[list[Picture]]) -> None:
    vocabulary = Vocabulary(("hat", "cat", "sun"), ("general", "general", "general"))
    found = targets([made(pictures) for pictures in sets], vocabulary)
    row = 0
    for pictures in sets:
        used = {tag.name for one in pictures for tag in one.tags}
        for one in pictures:
            held = {tag.name for tag in one.tags}
            for place, name in enumerate(vocabulary.names):
                assert found.positive[row, place] == (name in held)
                assert found.known[row, place] == (name not in one.unknown and name in used)
            row += 1
    assert found.positive.shape == found.known.shape == (row, 3)
    assert not (found.positive & ~found.known).any()


def test_a_name_in_two_categories_is_two_tags() -> None:
    vocabulary = Vocabulary(("rose", "rose"), ("general", "character"))
    one = Picture("a", (Tag("rose", 1.0, "character"),), frozenset(), "", "a", "", "")
    found = targets([made([one, picture("b", ["rose"])])], vocabulary)
    assert found.positive.tolist() == [[False, True], [True, False]]


# Splitting


def sides(found: Split, count: int) -> list[bool]:
    validation = np.zeros(count, bool)
    validation[found.validation] = True
    assert sorted([*found.training, *found.validation]) == list(range(count))
    assert found.training.dtype == found.validation.dtype == np.int64
    return [bool(side) for side in validation]


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=40), max_size=3),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_a_group_is_never_cut(sets: list[list[int]], share: float, seed: int) -> None:
    datasets = [
        made([picture(f"{number}", group=f"{name} {group}") for number, group in enumerate(groups)])
        for name, groups in enumerate(sets)
    ]
    found = sides(split(datasets, validation=share, seed=seed), sum(map(len, sets)))
    keys = [(name, group) for name, groups in enumerate(sets) for group in groups]
    assert len(dict(zip(keys, found, strict=True))) == len(set(zip(keys, found, strict=True)))
    assert found == sides(split(datasets, validation=share, seed=seed), len(keys))
    start = 0
    for groups in sets:
        taken = sum(found[start : start + len(groups)])
        start += len(groups)
        if share == 0:
            assert taken == 0
        elif len(set(groups)) > 1:
            assert 0 < taken < len(groups) or share > 0.5


def test_the_share_is_kept_in_every_set_and_the_order_of_sets_does_not_matter() -> None:
    one, other = (
        made([picture(f"{name}{n}") for n in range(count)]) for name, count in (("a", 200), ("b", 50))
    )
    found = sides(split([one, other], validation=0.1), 250)
    assert (sum(found[:200]), sum(found[200:])) == (20, 5)
    turned = sides(split([other, one], validation=0.1), 250)
    assert turned[50:] + turned[:50] == found
    assert sides(split([one, other], validation=0.1, seed=1), 250) != found
    with pytest.raises(ValueError, match="between 0 and 1"):
        split([one], validation=1.5)


def test_the_same_picture_is_never_on_both_sides(tmp_path: Path) -> None:
    kinds: dict[str, Callable[[Image.Image], bytes]] = {
        "bytes": lambda image: encoded(image),
        "pixels": lambda image: encoded(image, "BMP"),
        "jpeg": lambda image: encoded(image, "JPEG", quality=60),
        "small": lambda image: encoded(image.resize((120, 90), Image.Resampling.LANCZOS)),
    }
    datasets = []
    for number, (name, change) in enumerate(kinds.items()):
        files = {f"{n}-{name}.png": change(drawing(n)) for n in range(25)}
        files |= {f"own-{n}.png": encoded(drawing(1000 + 100 * number + n)) for n in range(25)}
        lines = [{"path": path} for path in files]
        datasets.append(read_dataset(write(tmp_path / name, lines, files)))
    paths = [one.path for dataset in datasets for one in dataset.pictures]
    found = sides(split(datasets, validation=0.3), len(paths))
    by_drawing: dict[str, set[bool]] = {}
    for path, side in zip(paths, found, strict=True):
        if not path.startswith("o"):
            by_drawing.setdefault(path.partition("-")[0], set()).add(side)
    assert len(by_drawing) == 25
    assert all(len(both) == 1 for both in by_drawing.values())
    assert 0.2 < np.mean(found) < 0.4


def test_different_drawings_are_not_taken_for_each_other() -> None:
    prints = [fingerprint(encoded(drawing(seed))) for seed in range(150)]
    assert list(duplicates(prints)) == []


def test_pictures_of_one_colour_are_told_by_their_pixels_alone() -> None:
    white, black = (Image.new("RGB", (64, 64), colour) for colour in ("white", "black"))
    prints = [fingerprint(encoded(one)) for one in (white, black, white)]
    assert list(duplicates([*prints, None])) == [(0, 2), (0, 2)]


def test_union_find_joins_what_a_chain_leads_to() -> None:
    assert joined("abcdab", [(2, 3), (3, 1)]) == [[0, 4], [1, 2, 3, 5]]
    assert joined([], []) == []


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11))))
def test_union_find_agrees_with_networkx(count: int, pairs: list[tuple[int, int]]) -> None:
    import networkx

    pairs = [(one, other) for one, other in pairs if max(one, other) < count]
    graph = networkx.Graph(pairs)
    graph.add_nodes_from(range(count))
    expected = sorted(sorted(part) for part in networkx.connected_components(graph))
    assert joined(range(count), pairs) == expected


# Facts


def test_facts_count_copies_and_what_is_missing(tmp_path: Path) -> None:
    same = encoded(drawing(1))
    files = {"a/1.png": same, "a/2.png": same, "b/3.png": encoded(drawing(1), "JPEG"), "b/4.png": b"damaged"}
    lines = [{"path": path, "tags": ["x"], "licence": "MIT"} for path in files] + [{"path": "5.png"}]
    facts = dataset_facts(read_dataset(write(tmp_path / "set", lines, files)))
    assert facts.to_dict() == {
        "name": "set",
        "pictures": 4,
        "missing": 1,
        "unreadable": 1,
        "copies": 1,
        "near": 2,
        "groups": 4,
        "tags": {"x": 4},
        "categories": {"general": 1},
        "labels": {"a": 2, "b": 2},
        "licences": {"MIT": 4},
    }
