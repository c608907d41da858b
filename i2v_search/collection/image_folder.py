"""Writes pictures of a collection as an image folder of Hugging Face's ``datasets``.

``images/00000017.png`` and so on are copies of the files, ``metadata.jsonl`` has a line for each:
``file_name``, ``tags``, ``rating``, ``id`` and ``stored_path``. Hugging Face's
``datasets.load_dataset("imagefolder", data_dir=FOLDER)`` is for such folders; `i2v_search.read_dataset`
reads them too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from i2v_search.collection.collection import Collection
from i2v_search.collection.info import ImageInfo
from i2v_search.errors import ImageError, QueryError
from i2v_search.escapes import JsonReady, printable
from i2v_search.images.sources import Skipped
from i2v_search.progress import Progress, Report, silent
from i2v_search.search.filters import Filter


@dataclass(frozen=True)
class ImageFolder(JsonReady):
    """Result of `write_image_folder`.

    Attributes:
        folder: the new folder.
        images: number of pictures in it.
        bytes: their size together.
        skipped: images whose files are gone or cannot be read.

    Example:
        >>> from i2v_search import Collection, Filter, write_image_folder
        >>> write_image_folder(Collection.open("index/art"), "fruit", Filter(paths="fruit")).images > 5
        True
    """

    folder: str
    images: int
    bytes: int
    skipped: tuple[Skipped, ...]


def write_image_folder(
    collection: Collection, folder: str | Path, where: Filter | None = None, *, report: Report = silent
) -> ImageFolder:
    """Copy pictures of a collection with their tags into a new image folder.

    Args:
        collection: whose pictures are copied, as they are.
        folder: a new folder, or an empty one.
        where: what every picture meets; None takes all.
        report: called with the progress.

    Returns:
        What was written. ``metadata.jsonl`` comes last: without it a folder is not whole.

    Raises:
        QueryError: the folder holds something, or a tag or option does not exist.
        OSError: the disk is full or fails.

    Example:
        >>> from i2v_search import Collection, read_dataset, write_image_folder
        >>> done = write_image_folder(Collection.open("index/art"), "shared")
        >>> done.images, len(read_dataset("shared").pictures)
        (15, 15)
    """
    target = Path(folder)
    if target.exists() and any(target.iterdir()):
        raise QueryError(f"{target} is not empty; choose a new folder")
    rows = (where or Filter()).rows(collection.store)
    (target / "images").mkdir(parents=True, exist_ok=True)
    lines, skipped, size = [], [], 0
    for done, image in enumerate(collection[int(collection.store.ids[row])] for row in rows):
        name = f"images/{image.id:08}{PurePosixPath(image.path).suffix.lower()}"
        try:
            content = collection.image_bytes(image.id)
        except ImageError as error:
            skipped.append(Skipped(image.path, error.reason))
            continue
        (target / name).write_bytes(content)
        lines.append(json.dumps(_line(image, name), ensure_ascii=False))
        size += len(content)
        report(Progress("copying", done + 1, len(rows)))
    (target / "metadata.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return ImageFolder(str(target), len(lines), size, tuple(skipped))


def _line(image: ImageInfo, name: str) -> dict[str, Any]:
    tags = [printable(tag.name) for tag in image.tags if tag.category != "rating"]
    facts = {"file_name": name, "tags": tags, "rating": image.rating}
    return {**facts, "id": image.id, "stored_path": printable(image.path)}
