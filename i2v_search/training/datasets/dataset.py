"""Data sets: pictures with tags, labels and groups, what to learn from them and how to divide them.

A data set is a folder or an archive with a ``tags.jsonl`` (`i2v_search.images.sidecar`), with Danbooru's
metadata (`i2v_search.images.metadata.posts`), or with captions and other files beside the pictures
(`i2v_search.images.metadata.beside`). Tags that nobody looked for are *unknown*: neither present nor
absent, so that a loss or a measure leaves them out.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import SourceError, TagError
from i2v_search.files import open_regular
from i2v_search.images.archives import ARCHIVE_SEPARATOR, archive_extension, has_image_name
from i2v_search.images.captions import CaptionNames, parse_caption
from i2v_search.images.exclusion import Exclusion
from i2v_search.images.metadata import beside
from i2v_search.images.metadata import posts as booru
from i2v_search.images.metadata.annotations import FILE_NAME, Annotation, read_annotations
from i2v_search.images.metadata.documents import iter_documents
from i2v_search.images.metadata.facts import Fact
from i2v_search.images.sidecar import Sidecars
from i2v_search.images.sources import Skipped, SourceImage, iter_images
from i2v_search.tags.vocabulary import CATEGORIES, Category, Tag, Vocabulary
from i2v_search.training.datasets.packed import Packed, open_packed, read_packed

__all__ = [
    "Dataset",
    "Picture",
    "Targets",
    "choose_vocabulary",
    "read_dataset",
    "targets",
]

MINIMUM = 20
"""Pictures that must have a tag before it is worth learning."""


@dataclass(frozen=True)
class Picture:
    """A picture of a data set, and what is known of it.

    Attributes:
        path: relative to the data set's root, with ``/``; a member of an archive is ``art.zip!/dir/a.png``.
        tags: what it shows, probability 1.
        unknown: names of tags nobody looked for: neither positive nor negative.
        label: what retrieval counts as relevant; by default its folder, "" if it has none.
        group: pictures of one group are never split between training and validation; by default its path.
        source: where it comes from, "" if not said.
        licence: as the source states it, "" if not said.
        facts: rating, score, date and more, by the names of a collection's columns.
    """

    path: str
    tags: tuple[Tag, ...]
    unknown: frozenset[str]
    label: str
    group: str
    source: str
    licence: str
    facts: Mapping[str, Fact] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Dataset:
    """Annotated pictures below one folder or in one archive.

    Attributes:
        root: folder that the pictures' paths are relative to.
        pictures: pictures in the order of the annotations; each path once.
        name: name of the folder or archive.
        skipped: annotated pictures that do not exist, with the reason.

    Example:
        >>> drawings = read_dataset("art")
        >>> len(drawings), drawings.pictures[0].path
        (14, 'birds/duck.webp')
        >>> [tag.name for tag in drawings.pictures[0].tags]
        ['birds', 'duck']
    """

    root: Path
    pictures: tuple[Picture, ...]
    name: str
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.pictures)

    def read(self, picture: Picture) -> bytes:
        """The bytes of a picture's file, from any thread or process.

        Raises:
            ImageError: it cannot be read, or lies outside the root.
        """
        return read_packed(self.root, picture.path)


@dataclass(frozen=True)
class Targets:
    """Targets of a tag head for every picture.

    Attributes:
        positive: (n, t) bool, the picture has the tag.
        known: (n, t) bool, False where nobody knows: leave these out of a loss or a measure.
    """

    positive: NDArray[np.bool_]
    known: NDArray[np.bool_]

    def of(self, rows: NDArray[np.int64]) -> Targets:
        """Of some rows."""
        return Targets(self.positive[rows], self.known[rows])

    def counts(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(t,) pictures among rows that have each tag, and (t,) of which it is known."""
        return (self.positive[rows] & self.known[rows]).sum(axis=0), self.known[rows].sum(axis=0)

    @property
    def tags(self) -> int:
        """Number of tags."""
        return int(self.positive.shape[1])


def read_dataset(source: str | os.PathLike[str], *, exclude: Sequence[str] = ()) -> Dataset:
    """Read the annotations of a data set; no picture is opened.

    Args:
        source: a folder or archive with ``tags.jsonl`` (also in its only folder) or, if there is none,
            with a table of an image folder, with one ``.json`` or ``.jsonl`` file of Danbooru's metadata, or
            with captions or JSON beside the pictures; or such a metadata file.
        exclude: patterns of pictures that are left out, as in a ``.gitignore``; ``.i2vignore`` files of a
            folder say the same.

    Raises:
        SourceError: it does not exist, has no annotations or no picture of them, or a line is not valid.
        TagError: metadata with tags or ratings that are not Danbooru's.

    Example:
        >>> from i2v_search.images.sample import sample_directory
        >>> dataset = read_dataset(sample_directory())
        >>> dataset.name, dataset.pictures[0].label, dataset.pictures[0].tags[1].name
        ('sample', 'birds', 'eagle')
    """
    dataset = _read(Path(source))
    kept = tuple(picture for picture in dataset.pictures if not _is_excluded(dataset.root, picture, exclude))
    if not kept:
        raise SourceError(f"every picture of {str(source)!r} is excluded")
    return replace(dataset, pictures=kept)


def _is_excluded(root: Path, picture: Picture, exclude: Sequence[str]) -> bool:
    _, archive, member = picture.path.partition(ARCHIVE_SEPARATOR)
    if archive:
        return bool(exclude) and Exclusion("/", exclude).excludes(f"/{member}")
    return Exclusion(str(root), exclude).excludes_below(str(root), picture.path.split("/"))


def _read(path: Path) -> Dataset:
    if path.is_dir():
        return _read_folder(path.resolve())
    if not path.exists():
        raise SourceError(f"{str(path)!r} does not exist")
    if archive_extension(path.name) is not None:
        return _read_archive(path.resolve())
    if path.suffix.lower() in booru.ENDINGS:
        folder = path.resolve().parent
        with _opened(path) as file:
            return _from_posts(booru.read_posts(file, str(path)), folder, folder.name, (folder,))
    raise SourceError(
        f"{str(path)!r} is not a data set; give a folder or archive with {FILE_NAME}, or a metadata file "
        f"({' or '.join(booru.ENDINGS)})"
    )


def choose_vocabulary(
    datasets: Sequence[Dataset], *, minimum: int = MINIMUM, most: int | None = None
) -> Vocabulary:
    """The tags worth learning: enough pictures have them, and at least one is known not to.

    Args:
        datasets: at least one.
        minimum: pictures that must have a tag, over all sets.
        most: the most tags, the frequent ones of all categories; None for no limit.

    Returns:
        Tags by category, in each the frequent ones first.

    Raises:
        TagError: no tag is frequent enough.

    Example:
        >>> from i2v_search.images.sample import sample_directory
        >>> choose_vocabulary([read_dataset(sample_directory())]).names[:3]
        ('animal', 'pixel-art', 'sprite')
    """
    positives: Counter[tuple[Category, str]] = Counter()
    negatives: Counter[str] = Counter()
    for dataset in datasets:
        own = Counter((tag.category, tag.name) for picture in dataset.pictures for tag in picture.tags)
        unknown = Counter(name for picture in dataset.pictures for name in picture.unknown)
        positives.update(own)
        for (_, name), count in own.items():
            negatives[name] += len(dataset) - count - unknown[name]
    chosen = [key for key, count in positives.items() if count >= minimum and negatives[key[1]] > 0]
    if not chosen:
        most = max(positives.values(), default=0)
        raise TagError(
            f"no tag can be learned: {minimum} pictures must have it and some must not; the most frequent "
            f"of {len(positives)} tags is on {most} pictures"
        )
    if most is not None and len(chosen) > most:
        chosen = sorted(chosen, key=lambda key: (-positives[key], key))[:most]
    chosen.sort(key=lambda key: (CATEGORIES.index(key[0]), -positives[key], key[1]))
    return Vocabulary(tuple(name for _, name in chosen), tuple(category for category, _ in chosen))


def targets(datasets: Sequence[Dataset], vocabulary: Vocabulary) -> Targets:
    """Targets of every picture of all sets, in order, for every tag of a vocabulary.

    A tag is unknown of a picture that says so, and of all pictures of a set that never uses the tag.

    Returns:
        `Targets` with n = the pictures of all sets, t = ``len(vocabulary)``.

    Example:
        >>> from i2v_search.images.sample import sample_directory
        >>> dataset = read_dataset(sample_directory())
        >>> found = targets([dataset], Vocabulary(("birds", "glasses"), ("general", "general")))
        >>> found.positive[0].tolist(), found.known[0].tolist()
        ([True, False], [True, False])
    """
    count = sum(len(dataset) for dataset in datasets)
    positive = np.zeros((count, len(vocabulary)), bool)
    known = np.ones((count, len(vocabulary)), bool)
    places = {
        key: place for place, key in enumerate(zip(vocabulary.categories, vocabulary.names, strict=True))
    }
    named: dict[str, list[int]] = {}
    for place, name in enumerate(vocabulary.names):
        named.setdefault(name, []).append(place)
    start = 0
    for dataset in datasets:
        for row, picture in enumerate(dataset.pictures, start):
            for name in picture.unknown:
                known[row, named.get(name, [])] = False
            for tag in picture.tags:
                if (tag.category, tag.name) in places:
                    positive[row, places[tag.category, tag.name]] = True
        rows = slice(start, start + len(dataset))
        known[rows, ~positive[rows].any(axis=0)] = False
        start += len(dataset)
    return Targets(positive, known)


def _read_folder(folder: Path) -> Dataset:
    if (folder / FILE_NAME).is_file():
        with _opened(folder / FILE_NAME) as file:
            place = _Place(folder, folder.name, str(folder / FILE_NAME), "")
            annotations = read_annotations(file, place.file)
            return _from_annotations(annotations, place, lambda path: (folder / path).is_file())
    names = sorted(file.name for file in folder.iterdir())
    for table in (folder / name for name in beside.TABLES if name in names):
        with _opened(table) as file:
            place = _Place(folder, folder.name, str(table), "")
            rows = beside.read_table(file, str(table))
            return _from_annotations(rows, place, lambda path: (folder / path).is_file())
    found = _metadata([name for name in names if booru.may_hold_posts(name)], names)
    below = folder / "metadata"
    if not found and below.is_dir():
        inner = sorted(file.name for file in below.iterdir())
        found = [f"metadata/{name}" for name in inner if booru.may_hold_posts(name)]
    if held := found if len(found) == 1 else [name for name in found if _holds_posts(folder / name)]:
        posts = (post for name in held for post in _posts_in(folder / name))
        return _from_posts(posts, folder, folder.name, (folder,))
    annotated = list(_beside_files(folder))
    if not annotated:
        raise SourceError(_no_annotations(str(folder), found))
    return _from_annotations(annotated, _Place(folder, folder.name, str(folder), ""), lambda path: True)


def _posts_in(path: Path) -> Iterator[booru.Post]:
    with _opened(path) as file:
        yield from booru.read_posts(file, str(path))


def _holds_posts(path: Path) -> bool:
    """Whether one of the first documents of a file is a post: it is no other JSON that lies there."""
    with _opened(path) as file:
        return any(booru.is_post(one) for one, _ in islice(iter_documents(file, str(path)), 20))


def _beside_files(folder: Path) -> Iterator[Annotation]:
    """Annotations from files beside the pictures of a folder, and from ``tags.jsonl`` below it."""
    sidecars = Sidecars(folder, [folder])
    for image in iter_images([folder], folder):
        tags = sidecars.of(image.path)
        file = (folder / image.path).with_suffix(beside.ENDING)
        if isinstance(image, SourceImage) and file.is_file():
            with _opened(file) as opened:
                document = beside.parse_json(opened.read(beside.MAX_BYTES), str(file))
            yield beside.annotate(image.path, document, str(file), tags)
        elif isinstance(image, SourceImage) and tags:
            yield Annotation(image.path, tags)


def _beside_members(packed: Packed, archive: Path) -> Iterator[Annotation]:
    """Annotations from the members of an archive beside its pictures."""
    by_folder: dict[str, list[str]] = {}
    for member in packed.members:
        folder, _, name = member.rpartition("/")
        by_folder.setdefault(folder, []).append(name)
    for folder, names in by_folder.items():
        captions, known = CaptionNames(names), set(names)
        for name in filter(has_image_name, names):

            def read(other: str, folder: str = folder) -> bytes:
                with packed.text(f"{folder}/{other}".lstrip("/")) as file:
                    return file.read()

            texts = (read(caption).decode("utf-8-sig", "replace") for caption in captions.of(name))
            tags = tuple(tag for text in texts for tag in parse_caption(text))
            document = PurePosixPath(name).with_suffix(beside.ENDING).name
            path, place = f"{folder}/{name}".lstrip("/"), f"{archive}{ARCHIVE_SEPARATOR}{folder}/{document}"
            if document in known:
                yield beside.annotate(path, beside.parse_json(read(document), place), place, tags)
            elif tags:
                yield Annotation(path, tags)


def _metadata(candidates: Sequence[str], names: Iterable[str]) -> list[str]:
    """The files that may hold posts, by name: not what stands beside a picture of the same name."""
    pictures = {os.path.splitext(name)[0] for name in names if has_image_name(name)}  # noqa: PTH122 - in an archive
    return [name for name in candidates if os.path.splitext(name)[0] not in pictures]  # noqa: PTH122


def _read_archive(archive: Path) -> Dataset:
    packed = open_packed(archive)
    name = archive.name[: -len(archive_extension(archive.name) or "")]

    def is_there(path: str) -> bool:
        return path.partition(ARCHIVE_SEPARATOR)[2] in packed.members

    def place(member: str) -> _Place:
        prefix = f"{archive.name}{ARCHIVE_SEPARATOR}{member.rpartition('/')[0]}/".replace("!//", "!/")
        return _Place(archive.parent, name, f"{archive}{ARCHIVE_SEPARATOR}{member}", prefix)

    for member, read in (
        (packed.named(FILE_NAME), read_annotations),
        (packed.named(*beside.TABLES), beside.read_table),
    ):
        if member is not None:
            with packed.text(member) as file:
                return _from_annotations(read(file, place(member).file), place(member), is_there)
    found = _metadata(packed.metadata(), packed.members)
    if len(found) == 1:
        with packed.text(found[0]) as file:
            posts = booru.read_posts(file, f"{archive}{ARCHIVE_SEPARATOR}{found[0]}")
            return _from_posts(posts, archive.parent, name, (archive,))
    annotations = list(_beside_members(packed, archive))
    if not annotations:
        raise SourceError(_no_annotations(str(archive), found))
    return _from_annotations(annotations, place(""), is_there)


def _opened(path: Path) -> BinaryIO:
    try:
        return open_regular(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror})") from error


def _no_annotations(place: str, found: Sequence[str]) -> str:
    metadata = "none" if not found else ", ".join(found[:4])
    return (
        f"{place} has no {FILE_NAME} or {' or '.join(beside.TABLES)}, no picture has a caption or JSON "
        "file beside it, and metadata must be files of posts ending in "
        f"{' or '.join(booru.ENDINGS)}: found {metadata}"
    )


@dataclass(frozen=True)
class _Place:
    """Location of annotations: its name in messages, and the prefix of the paths in them."""

    root: Path
    name: str
    file: str
    prefix: str


def _from_annotations(
    annotations: Iterable[Annotation], place: _Place, exists: Callable[[str], bool]
) -> Dataset:
    pictures: dict[str, Picture] = {}
    skipped = []
    for annotation in annotations:
        inner = PurePosixPath(annotation.path)
        if inner.is_absolute() or ".." in inner.parts or "\0" in annotation.path:
            raise SourceError(f"{place.file}: path {annotation.path!r} points outside the data set")
        path = f"{place.prefix}{annotation.path}"
        if not exists(path):
            skipped.append(Skipped(path, "annotated, but the file does not exist"))
            continue
        folder = inner.parent.as_posix()
        pictures[path] = Picture(  # the last line about a picture counts, as in a folder of images
            path=path,
            tags=annotation.tags,
            unknown=annotation.unknown,
            label=annotation.label if annotation.label is not None else folder.strip("."),
            group=annotation.group if annotation.group is not None else path,
            source=annotation.source,
            licence=annotation.licence,
            facts=annotation.facts,
        )
    return _dataset(place, pictures.values(), skipped)


def _from_posts(posts: Iterable[booru.Post], root: Path, name: str, sources: Sequence[Path]) -> Dataset:
    by_name: dict[str, str] = {}
    for image in iter_images(sources, root):
        if not isinstance(image, Skipped):
            file = PurePosixPath(image.path.rpartition(ARCHIVE_SEPARATOR)[2])
            by_name.setdefault(file.name.lower(), image.path)
            by_name.setdefault(file.stem.lower(), image.path)
    found: dict[str, booru.Post] = {}
    skipped, is_new = [], False
    for post in posts:
        is_new |= post.is_new
        path = next((by_name[file] for file in post.files if file in by_name), None)
        if path is None:
            skipped.append(Skipped(post.name, f"no picture {post.files[0]}"))
            continue
        found[path] = post
    pictures = {path: _picture_of(path, post.settled(is_new=is_new)) for path, post in found.items()}
    return _dataset(_Place(root, name, str(sources[0]), ""), pictures.values(), skipped)


def _picture_of(path: str, post: booru.Post) -> Picture:
    facts = {**post.facts, **({"rating": post.rating} if post.rating else {})}
    return Picture(path, post.tags, frozenset(), post.label, post.group, post.source, "", facts)


def _dataset(place: _Place, pictures: Iterable[Picture], skipped: Sequence[Skipped]) -> Dataset:
    held = tuple(pictures)
    if not held:
        missing = f"; first missing: {skipped[0].path} ({skipped[0].reason})" if skipped else ""
        raise SourceError(f"{place.file}: none of its {len(skipped)} annotated pictures exists{missing}")
    return Dataset(place.root, held, place.name, tuple(skipped))
