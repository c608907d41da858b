"""What the members of an archive say of the pictures in it, as in WebDataset's shards."""

from __future__ import annotations

import io
import os
from typing import Final

from i2v_search.errors import ImageError, SourceError, TagError
from i2v_search.images.archives import Found, is_hidden, walk_archive
from i2v_search.images.captions import ENDINGS, parse_caption
from i2v_search.images.metadata.annotations import FILE_NAME, read_annotations
from i2v_search.images.metadata.beside import MAX_BYTES, TABLES, annotate, parse_json
from i2v_search.images.metadata.post_index import Known, OnBad, PostIndex
from i2v_search.images.metadata.posts import holds_posts, may_hold_posts

#: Put before what is kept under the name of a picture without its ending.
_BESIDE: Final = "beside "
_CAPTION: Final = "caption "


def index_archive(index: PostIndex, archive: str, on_bad: OnBad) -> bool:
    """Read all that an archive says of its pictures, in one pass.

    Args:
        index: what it is kept in, with the archive as its scope.
        archive: path of the archive.
        on_bad: told of members that cannot be used.

    Returns:
        Whether it says anything.
    """
    said = False
    for item in walk_archive(archive, _may_say):
        if isinstance(item, Found) and item.member is not None and item.prepare is not None:
            try:
                said |= _add(index, archive, item.member, item.prepare()(item.member))
            except (ImageError, SourceError, TagError, UnicodeDecodeError) as error:
                on_bad(f"{archive}!/{item.member}", str(error))
    return said


def known_member(index: PostIndex, archive: str, member: str) -> Known:
    """What an archive says of one of its pictures."""
    stem = os.path.splitext(member)[0]  # noqa: PTH122 - of an archive
    places = [member, *(f"{_BESIDE}{one}" for one in (stem, member))]
    places += [f"{_CAPTION}{one}" for one in (stem, member)]
    known = Known()
    for place in places:
        known = known.with_more(index.by_path(archive, place) or Known())
    return known.with_more(index.by_name(archive, member.rpartition("/")[2]) or Known())


def _may_say(name: str) -> bool:
    file = name.rpartition("/")[2]
    if any(is_hidden(part) for part in name.split("/")):
        return False
    ending = os.path.splitext(file)[1].lower()  # noqa: PTH122 - of an archive
    return ending in ENDINGS or file in {FILE_NAME, *TABLES} or may_hold_posts(file)


def _add(index: PostIndex, archive: str, member: str, content: bytes) -> bool:
    folder, _, file = member.rpartition("/")
    folder = f"{folder}/" if folder else ""
    stem, ending = os.path.splitext(member)  # noqa: PTH122 - of an archive
    place = f"{archive}!/{member}"
    if ending.lower() in ENDINGS:
        index.add(archive, f"{_CAPTION}{stem}", Known(parse_caption(content.decode("utf-8-sig"))))
        return True
    if file == FILE_NAME:
        for read in read_annotations(io.BytesIO(content), place):
            index.add(archive, folder + read.path, Known(read.tags, read.facts))
        return True
    if file in TABLES and index.add_table(archive, folder, io.BytesIO(content), place):
        return True
    if ending.lower() == ".json" and len(content) <= MAX_BYTES and content.lstrip()[:1] == b"{":
        document = parse_json(content, place)
        if holds_posts(document):
            return index.add_posts(archive, io.BytesIO(content), place, None)
        read = annotate(member, document, place)
        index.add(archive, f"{_BESIDE}{stem}", Known(read.tags, read.facts))
        return True
    return index.add_posts(archive, io.BytesIO(content), place, None)
