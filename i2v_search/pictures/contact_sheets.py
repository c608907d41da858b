"""Pictures of answers: contact sheets of searches, rows of duplicates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path, PurePosixPath

from PIL import Image

from i2v_search.arguments import several
from i2v_search.collection.collection import Collection
from i2v_search.images.crops import cut
from i2v_search.pictures.drawing.cards import Tile, TileRow
from i2v_search.pictures.drawing.sheets import contact_sheet, row_sheet
from i2v_search.pictures.thumbnails import OnMissing, picture_of, unmentioned
from i2v_search.search.duplicates.groups import Duplicate, DuplicateGroup, Duplicates, size_text
from i2v_search.search.examples import Example, QueryImage, several_images
from i2v_search.search.results import Hit, SearchResult

TILE = 220
#: Of a row of duplicates.
SMALL_TILE = 160


def search_picture(
    collection: Collection,
    result: SearchResult,
    queries: Sequence[QueryImage | Example] = (),
    *,
    columns: int = 5,
    on_missing: OnMissing = unmentioned,
) -> Image.Image:
    """Draw a contact sheet: the query images, framed, then the hits with their scores.

    Args:
        collection: collection that was searched.
        result: result of the search.
        queries: ids, stored paths, files or images to show first; of an `Example` the part that it crops.
        columns: number of tiles in a row.
        on_missing: called with each image that is no longer readable, and the reason.

    Returns:
        An RGB image. An image that is no longer readable is a grey tile.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> result = art.search("birds/owl.webp", top=4)
        >>> search_picture(art, result, ["birds/owl.webp"]).save("references.png")
    """
    tiles = [_query_tile(collection, query, on_missing) for query in several_images(queries)]
    tiles += [_hit_tile(collection, hit, on_missing) for hit in result.hits]
    return contact_sheet(tiles, columns=columns, tile_size=TILE)


def searches_picture(
    collection: Collection,
    results: Sequence[SearchResult],
    queries: Sequence[QueryImage | Example | None] = (),
    *,
    columns: int = 6,
    on_missing: OnMissing = unmentioned,
) -> Image.Image:
    """Draw a row for each of several searches: the query image, framed, then the hits with their scores.

    Args:
        collection: collection that was searched.
        results: results of `Collection.search_each`; at least one has a hit.
        queries: image of each query, None if it has none.
        columns: maximum number of hits to draw per search.
        on_missing: is told of each image that can no longer be read, and why; its tile is grey.

    Returns:
        An RGB image.

    Raises:
        I2VSearchError: there is no hit.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> queries = ["birds/owl.webp", "fruit/lemon.webp"]
        >>> results = [art.search(query, top=3) for query in queries]
        >>> searches_picture(art, results, queries).save("references.png")
    """
    rows = []
    for result, query in zip_longest(several(results), several_images(queries)):
        if result.hits:
            tiles = [] if query is None else [_query_tile(collection, query, on_missing)]
            tiles += [_hit_tile(collection, hit, on_missing) for hit in result.hits[:columns]]
            rows.append(TileRow(_name(result.query), tiles))
    return row_sheet(rows, tile_size=SMALL_TILE)


def duplicates_picture(
    collection: Collection,
    found: Duplicates,
    *,
    groups: int = 20,
    columns: int = 6,
    on_missing: OnMissing = unmentioned,
) -> Image.Image:
    """Draw a row for each group of duplicates: the image to keep, framed, then its copies.

    Args:
        collection: collection of the duplicates.
        found: its duplicates; at least one group.
        groups: maximum number of groups to draw; the title gives their number.
        columns: maximum number of images of a group to draw; its heading gives their number.
        on_missing: is told of each image that can no longer be read, and why; its tile is grey.

    Returns:
        An RGB image.

    Raises:
        I2VSearchError: there are no groups.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> duplicates_picture(art, art.duplicates()).save("duplicates.png")
    """
    shown = found.groups[:groups]
    title = f"{len(found.groups)} groups, {size_text(found.freed_bytes)} in copies"
    if len(shown) < len(found.groups):
        title += f"; the first {len(shown)}"
    rows = [
        TileRow(
            _heading(group, min(columns, len(group.members))),
            [_duplicate_tile(collection, member, on_missing) for member in group.members[:columns]],
        )
        for group in shown
    ]
    return row_sheet(rows, tile_size=SMALL_TILE, title=title)


def _heading(group: DuplicateGroup, shown: int) -> str:
    count = len(group.copies)
    heading = f"{count} {'copy' if count == 1 else 'copies'}, {size_text(group.freed_bytes)}"
    return heading if shown == len(group.members) else f"{heading}; {shown - 1} shown"


def _duplicate_tile(collection: Collection, member: Duplicate, on_missing: OnMissing) -> Tile:
    kind = "keep" if member.kind is None else member.kind
    score = member.score if member.kind == "near" else None
    note = f"{kind} · {member.width} x {member.height} · {size_text(member.bytes)}"
    # The end of a path tells more than its beginning.
    caption = "/".join(PurePosixPath(member.path).parts[-2:])
    return Tile(
        picture_of(collection, member.id, TILE, on_missing), caption, score, member.kind is None, note
    )


def _hit_tile(collection: Collection, hit: Hit, on_missing: OnMissing) -> Tile:
    return Tile(picture_of(collection, hit.id, TILE, on_missing), _name(hit.path), hit.score)


def _query_tile(collection: Collection, query: QueryImage | Example, on_missing: OnMissing) -> Tile:
    example = query if isinstance(query, Example) else Example(query)
    share = 1 if example.crop is None else min(example.crop[2:])
    picture = picture_of(collection, example.image, math.ceil(TILE / share), on_missing)
    if example.crop is not None:
        picture = cut(picture, example.crop)
    return Tile(picture, example.label_of(_caption(collection, example.image)), highlight=True)


def _caption(collection: Collection, image: QueryImage) -> str:
    if isinstance(image, int | str) and image in collection:
        return _name(collection[image].path)
    return _name(str(image)) if isinstance(image, str | Path) else "query"


def _name(path: str) -> str:
    return PurePosixPath(path).name
