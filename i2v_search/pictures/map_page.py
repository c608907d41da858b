"""A map as one HTML file that needs nothing else: no network, no folder of pictures.

What images are called comes from strangers. It reaches the page only as JSON whose ``<``, ``>`` and ``&`` are
escaped, and the document only as text, never as markup. The content security policy names the page's own
script and style by their hashes and allows nothing else to run or load.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib.resources import files
from typing import Any

from i2v_search.collection.collection import Collection
from i2v_search.errors import QueryError
from i2v_search.escapes import visible
from i2v_search.index.map_cache import MapCache
from i2v_search.index.mapping import CollectionMap
from i2v_search.pictures.grid import lay_out
from i2v_search.pictures.map_drawing import sprite_sheets, sprite_side
from i2v_search.pictures.thumbnails import OnMissing, thumbnails, unmentioned
from i2v_search.progress import Report, silent
from i2v_search.tags.vocabulary import TAG_THRESHOLD

#: A page is never larger.
PAGE_BYTES = 64 * 2**20
_TAGS = 12
_TAG_LETTERS = 80


def map_page(
    collection: Collection,
    drawn: CollectionMap,
    *,
    title: str = "",
    report: Report = silent,
    on_missing: OnMissing = unmentioned,
    cache: MapCache | None = None,
) -> bytes:
    """Render a map as a self-contained HTML page.

    Args:
        collection: collection of the map.
        drawn: result of `Collection.map`.
        title: title of the page (default: name of the collection's directory).
        report: called with the progress.
        on_missing: called with each image that is no longer readable, and the reason.
        cache: cache of thumbnails of unchanged files.

    Returns:
        UTF-8, at most `PAGE_BYTES` bytes.

    Raises:
        QueryError: there are more paths than such a page holds.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> map_page(art, art.map(method="pca"))[:15]
        b'<!DOCTYPE html>'
    """
    heading = visible(title or collection.directory.resolve().name)
    document = map_document(
        collection, drawn, title=heading, report=report, on_missing=on_missing, cache=cache
    )
    data = json.dumps(document, ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        data = data.replace(character, f"\\u{ord(character):04x}")
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; img-src data:; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = _asset("page.html")
    for name, text in {
        "POLICY": policy,
        "TITLE": html.escape(heading),
        "STYLE": style,
        "SCRIPT": script,
        "DATA": data,
    }.items():
        before, after = page.split(f"@{name}@")
        page = before + text + after
    content = page.encode("utf-8")
    if len(content) > PAGE_BYTES:
        raise QueryError(
            f"the page of {len(drawn.ids)} images takes {len(content)} bytes, over the limit of "
            f"{PAGE_BYTES}; "
            "draw fewer with --images"
        )
    return content


def map_document(
    collection: Collection,
    drawn: CollectionMap,
    *,
    title: str,
    report: Report = silent,
    on_missing: OnMissing = unmentioned,
    cache: MapCache | None = None,
) -> dict[str, Any]:
    """Everything a page needs to draw a map, as JSON-ready values.

    Args:
        collection: that the map is of.
        drawn: from `Collection.map`.
        title: title of the page.
        report: called with the progress.
        on_missing: called with each image that is no longer readable, and the reason.
        cache: cache of thumbnails of unchanged files.

    Returns:
        ``coordinates`` in [0, 1]; ``cells`` of a grid of ``columns`` x ``rows``; ``sheets`` of sprites as
        data URIs with ``side``, ``across`` and ``sizes`` as in `SpriteSheets`; ``paths``; ``tags``, numbers
        in ``vocabulary``, at most 12 an image.
    """
    layout = lay_out(drawn.coordinates)
    side = sprite_side(len(drawn.ids))
    packed = sprite_sheets(thumbnails(collection, drawn.ids, side, report, on_missing, cache=cache), side)
    vocabulary: dict[str, int] = {}
    tags = [
        [vocabulary.setdefault(name, len(vocabulary)) for name in _tag_names(collection, number)]
        for number in drawn.ids
    ]
    return {
        "title": title,
        "method": drawn.method,
        "total": drawn.total,
        "kept": drawn.neighbours_kept,
        "columns": layout.columns,
        "rows": layout.rows,
        "cells": layout.cells.tolist(),
        "coordinates": [[round(x, 4), round(y, 4)] for x, y in drawn.coordinates.tolist()],
        "side": packed.side,
        "across": packed.across,
        "sizes": packed.sizes,
        "sheets": ["data:image/webp;base64," + base64.b64encode(sheet).decode() for sheet in packed.sheets],
        "paths": [visible(path) for path in drawn.paths],
        "tags": tags,
        "vocabulary": list(vocabulary),
    }


def _tag_names(collection: Collection, number: int) -> list[str]:
    position = collection.store.position_of_id(number)
    known = () if position is None else collection.store.record(position).tags
    likely = (tag for tag in known if tag.probability >= TAG_THRESHOLD)
    best = sorted(likely, key=lambda tag: -tag.probability)[:_TAGS]
    return [visible(tag.name[:_TAG_LETTERS]) for tag in best]


def _asset(name: str) -> str:
    return (files("i2v_search") / "data" / "map" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
