"""The sample collection that comes with the package: clip art, pixel art, line art and digital paintings.

`scripts/make_sample.py` made it; `data/sample/tags.jsonl` says of every picture what it shows, who made it,
where it comes from and under which licence: public domain, CC0 or CC BY.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path


@dataclass(frozen=True)
class SampleImage:
    """One picture of the sample.

    `path` is the WebP file (longest side 320 px, on white) and `category` its folder. `tags` are lower-case
    words: the category, then what is drawn, then broader subjects. `source` is the package and its file,
    `licence` what they state of it.

    Example:
        >>> image = next(image for image in sample_images() if image.title == "Owl on Branch")
        >>> image.category, image.author, image.tags[:2]
        ('birds', 'Gerald G.', ('birds', 'owl'))
    """

    path: Path
    category: str
    title: str
    author: str
    tags: tuple[str, ...]
    licence: str
    source: str


def sample_directory() -> Path:
    """Return the folder of the sample pictures, one subfolder per category.

    >>> sorted(folder.name for folder in sample_directory().iterdir() if folder.is_dir())[0]
    'birds'
    """
    return Path(str(files("i2v_search"))) / "data" / "sample"


def find_moved_sample(old: Path, new: Path) -> Path | None:
    """Folder of the sample in this environment for one of another environment; None if it is not of the
    sample.

    Args:
        old: the folder.
        new: a folder of the other sample.

    >>> old, new = (Path(env, "lib/i2v_search/data/sample") for env in ("/old", "/new"))
    >>> find_moved_sample(old / "birds", new).as_posix()
    '/new/lib/i2v_search/data/sample/birds'
    >>> find_moved_sample(old, old), find_moved_sample(Path("/art"), new)
    (None, None)
    """
    before, inside = _split_at_sample(old)
    after, _ = _split_at_sample(new)
    return after / inside if before and after and before != after else None


def _split_at_sample(path: Path) -> tuple[Path | None, Path]:
    """The sample that a folder belongs to, if any, and the folder's place in it."""
    for folder in (path, *path.parents):
        if folder.parts[-3:] == ("i2v_search", "data", "sample"):
            return folder, path.relative_to(folder)
    return None, path


def sample_images() -> tuple[SampleImage, ...]:
    """Return every picture of the sample with its tags, in the order of the paths; no image is opened.

    >>> image = sample_images()[0]
    >>> image.category, image.tags[0], image.licence
    ('birds', 'birds', 'Public domain')
    """
    directory = sample_directory()
    lines = (directory / "tags.jsonl").read_text(encoding="utf-8").splitlines()
    records = sorted((json.loads(line) for line in lines), key=lambda record: str(record["path"]))
    return tuple(
        SampleImage(
            path=directory / record["path"],
            category=record["path"].partition("/")[0],
            title=record["title"],
            author=record["author"],
            tags=tuple(record["tags"]),
            licence=record["licence"],
            source=record["source"],
        )
        for record in records
    )
