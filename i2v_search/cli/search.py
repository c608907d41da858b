"""``i2v-search search``: by images, words, vectors and tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2v_search.choices import SearchOrder
from i2v_search.cli.options import (
    DEFAULT,
    BackendOption,
    CollectionsOption,
    JsonOption,
    MilvusOption,
    filter_of,
    open_collection,
    paths_only_of,
    takes_conditions,
)

if TYPE_CHECKING:
    from PIL import Image

    from i2v_search.collection.collection import Collection
    from i2v_search.images.sources import Skipped
    from i2v_search.pictures.thumbnails import OnMissing
    from i2v_search.search.examples import Example
    from i2v_search.search.results import SearchResult

_QUERY, _FILTERS, _ORDER, _OUTPUT = "Query", "Filters (exact)", "Order and pages", "Output"


@takes_conditions(_FILTERS)
def search(
    query: Annotated[
        list[str] | None,
        typer.Argument(
            help="Image or .npy files, ids or paths in the collection, or words: 'a red dragon'; none with "
            "--tags alone."
        ),
    ] = None,
    collection: CollectionsOption = [DEFAULT],  # noqa: B006 - never changed
    unlike: Annotated[
        list[str] | None,
        typer.Option(
            "--not",
            help="Negative example: an image, or words, that results should differ from; repeatable.",
            rich_help_panel=_QUERY,
        ),
    ] = None,
    texts: Annotated[
        list[str] | None,
        typer.Option(
            "--text", help="Words to search for, whatever they look like; repeatable.", rich_help_panel=_QUERY
        ),
    ] = None,
    sketches: Annotated[
        list[str] | None,
        typer.Option(
            "--sketch",
            help="Drawing of lines, or a photo of one on paper, to find pictures by; repeatable.",
            rich_help_panel=_QUERY,
        ),
    ] = None,
    subjects: Annotated[
        list[str] | None,
        typer.Option(
            "--subject-of",
            help="Picture whose subject results should show, in any style; repeatable.",
            rich_help_panel=_QUERY,
        ),
    ] = None,
    styles: Annotated[
        list[str] | None,
        typer.Option(
            "--style-of",
            help="Picture whose style results should have, with any subject; repeatable.",
            rich_help_panel=_QUERY,
        ),
    ] = None,
    subject: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="How much the subject of the query pictures counts.", rich_help_panel=_QUERY
        ),
    ] = 1.0,
    style: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="How much the style of the query pictures counts; 0: the same subject in any style.",
            rich_help_panel=_QUERY,
        ),
    ] = 1.0,
    crop: Annotated[
        str | None,
        typer.Option(
            help="Part of the query picture to search for: left,top,width,height in pixels or, as 10%, of "
            "its sides.",
            rich_help_panel=_QUERY,
        ),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            help="Weights of the queries, then of texts, sketches, --subject-of and --style-of: '1,0.5'.",
            rich_help_panel=_QUERY,
        ),
    ] = "",
    each: Annotated[
        bool,
        typer.Option(
            "--each",
            help="Search for each QUERY separately, and for each row of a .npy file.",
            rich_help_panel=_QUERY,
        ),
    ] = False,
    include_query: Annotated[
        bool,
        typer.Option(
            "--include-query", help="Include the query itself and its exact copies.", rich_help_panel=_QUERY
        ),
    ] = False,
    tags: Annotated[
        str,
        typer.Option("--tags", help="Tags of every result: 'smile, -glasses'.", rich_help_panel=_FILTERS),
    ] = "",
    tag_threshold: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Minimum probability of a tag; 0: tags only rank.",
            rich_help_panel=_FILTERS,
        ),
    ] = 0.25,
    path: Annotated[
        list[str] | None,
        typer.Option(
            "--path",
            help="Folder, file or glob of every result: 'birds', '*.png'; '-birds': of none; repeatable.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    rating: Annotated[
        str | None,
        typer.Option("--rating", help="Rating of every result.", rich_help_panel=_FILTERS),
    ] = None,
    max_explicit: Annotated[
        float | None,
        typer.Option(
            "--max-explicit",
            min=0,
            max=1,
            help="Maximum probability of rating 'explicit'.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    min_score: Annotated[
        float, typer.Option(min=-1, max=1, help="Minimum score of results.", rich_help_panel=_FILTERS)
    ] = -1.0,
    top: Annotated[
        int, typer.Option("--top", "-k", min=1, help="Number of results.", rich_help_panel=_ORDER)
    ] = 10,
    page: Annotated[
        int, typer.Option("--page", min=1, help="Page of --top results.", rich_help_panel=_ORDER)
    ] = 1,
    tag_weight: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Weight of the tags in the score, 0 to 1; 0: tags only filter.",
            rich_help_panel=_ORDER,
        ),
    ] = 0.0,
    diverse: Annotated[
        float | None,
        typer.Option(
            "--diverse",
            min=0,
            max=1,
            help="Diversify the results: 1 (off) to 0 (strongest); try 0.7.",
            rich_help_panel=_ORDER,
        ),
    ] = None,
    order: Annotated[
        SearchOrder | None,
        typer.Option(
            "--order",
            help="Order of the results, also of all images without a query (default: likeness).",
            rich_help_panel=_ORDER,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of --order random.", rich_help_panel=_ORDER)
    ] = 0,
    by: Annotated[
        str,
        typer.Option(
            "--by", help="Column of --order column; '-score': largest first.", rich_help_panel=_ORDER
        ),
    ] = "",
    copies: Annotated[
        bool,
        typer.Option("--copies", help="Include copies of the same picture.", rich_help_panel=_ORDER),
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Write a contact sheet (PNG, JPEG, WebP).", rich_help_panel=_OUTPUT),
    ] = None,
    paths_only: Annotated[
        bool,
        typer.Option(
            "--paths-only", "-f", help="Print only file paths, one per line.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    null: Annotated[
        bool,
        typer.Option(
            "--null",
            "-0",
            help="Like --paths-only, but each path ends with NUL, for xargs -0.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    backend: BackendOption = "faiss",
    milvus_uri: MilvusOption = None,
    json: JsonOption = False,
    **conditions: Any,
) -> None:
    """Search for images similar to one or several images, that show what words say, or with given tags.

    A QUERY that is not an id, path or file, and does not look like a path, is searched for as words. Results
    then say what they were found by: a word of the file's name or folders, a tag, or the meaning.

    Shared tags of a result are listed from the rarest in the collection to the most frequent.
    """
    from i2v_search.cli import show
    from i2v_search.cli.console import paths
    from i2v_search.search.examples import UNLIKE_WEIGHT, Example, examples_of
    from i2v_search.search.text import Text
    from i2v_search.search.views import count_viewed

    paths_only = paths_only_of(paths_only, null, json)
    opened, *others = [open_collection(one, backend, milvus_uri) for one in collection]
    options: dict[str, Any] = {
        "top": top,
        "offset": (page - 1) * top,
        "min_score": min_score,
        "where": filter_of(tags, path, rating, max_explicit, tag_threshold, **conditions),
        "tag_weight": tag_weight,
        "exclude_query": not include_query,
        "diverse": diverse,
        "copies": copies,
        "order": order or ("column" if by else "likeness"),
        "seed": seed,
        "by": by,
        "subject": subject,
        "style": style,
    }
    asked: list[Any] = [*(query or []), *map(Text, texts or [])]
    asked += [Example(sketch, kind="sketch") for sketch in sketches or []]
    asked += [Example(picture, style=0) for picture in subjects or []]
    asked += [Example(picture, subject=0) for picture in styles or []]
    if crop is not None:
        asked = _cropped(opened, asked, crop)
    if others:
        if each or sheet is not None or order or by or diverse is not None:
            raise typer.BadParameter(
                "a search in several collections takes no --each, --sheet, --order and --diverse"
            )
        del options["order"], options["seed"], options["by"], options["diverse"]
    if each:
        _refuse_for_each(asked, weights)
        labels, images = _separate(asked)
        away = [Example(image, UNLIKE_WEIGHT) for image in unlike or []]
        found = opened.search_each([[*examples_of(image), *away] for image in images], **options)
        results = [
            replace(result, query=label or result.query) for result, label in zip(found, labels, strict=True)
        ]
        asked = images
    else:
        examples = _examples(asked, weights, unlike or [])
        results = [_search([opened, *others], examples, options)]
    words = _words_among(query or [], results)
    asked = [one for one in asked if one not in words and not isinstance(one, Text)]
    missing: list[Skipped] = []
    if sheet is not None:
        picture = _drawn(opened, results, asked, each=each, on_missing=missing.append)
        show.save(picture, sheet, quiet=json or paths_only)
    if paths_only:
        hits = (hit for result in results for hit in result.hits)
        directories = {str(one.directory): one for one in others}
        paths(
            (directories.get(getattr(hit, "collection", ""), opened).file_path(hit.id) for hit in hits),
            null=null,
        )
    else:
        if words and not json:
            show.searched_as_text(words)
        if not json and any(result.looks_like_sketch for result in results):
            show.looks_like_sketch()
        if not json and sketches and not count_viewed(opened.store).get("lines"):
            show.finds_more("drawings", "--sketches")
        if not json and crop is not None and not count_viewed(opened.store).get("details"):
            show.finds_more("parts of pictures", "--details")
        _print(results, each=each, json=json)
    show.undrawn(missing, opened)


def _search(
    collections: Sequence[Collection], examples: list[Example], options: dict[str, Any]
) -> SearchResult:
    """Search one collection, or several as one."""
    if len(collections) == 1:
        return collections[0].search(examples or None, **options)
    from i2v_search.collection.across import search_across

    return search_across(collections, examples or None, **options)


def _drawn(
    collection: Collection,
    results: Sequence[SearchResult],
    queries: Sequence[Any],
    *,
    each: bool,
    on_missing: OnMissing,
) -> Image.Image:
    from i2v_search.pictures.contact_sheets import search_picture, searches_picture
    from i2v_search.search.examples import Example

    if each:
        images = [
            query if isinstance(query, str | Example) and not _is_npy(query) else None for query in queries
        ]
        return searches_picture(collection, results, images, on_missing=on_missing)
    shown = [query for query in queries if not _is_npy(query)]
    if not shown and not results[0].hits:
        raise typer.BadParameter("no results, so there is nothing to draw")
    return search_picture(collection, results[0], shown, on_missing=on_missing)


def _print(results: Sequence[SearchResult], *, each: bool, json: bool) -> None:
    from i2v_search.cli import show

    if json:
        show.as_json([result.to_dict() for result in results] if each else results[0].to_dict())
    else:
        for result in results:
            if each:
                show.heading(result.query)
            show.hits(result)


def _words_among(queries: Sequence[str], results: Sequence[SearchResult]) -> list[str]:
    """The queries that were not an id, path or file."""
    from i2v_search.search.text import Text

    labels = [result.query for result in results]
    return [
        query for query in queries if query.strip() and any(str(Text(query)) in label for label in labels)
    ]


def _examples(queries: Sequence[Any], weights: str, unlike: Sequence[str]) -> list[Example]:
    from i2v_search.search.examples import UNLIKE_WEIGHT, Example, examples_of

    try:
        numbers = [float(part) for part in weights.split(",")] if weights else [1.0] * len(queries)
    except ValueError:
        raise typer.BadParameter(f"--weights must be numbers separated by commas, not {weights!r}") from None
    if len(numbers) != len(queries):
        raise typer.BadParameter(f"--weights has {len(numbers)} numbers for {len(queries)} queries")
    examples = examples_of(queries) if queries else []
    liked = [replace(example, weight=weight) for example, weight in zip(examples, numbers, strict=True)]
    return liked + [Example(image, UNLIKE_WEIGHT) for image in unlike]


def _cropped(collection: Collection, queries: Sequence[Any], crop: str) -> list[Any]:
    """The queries, with the crop of the one among them that is a picture."""
    from i2v_search.errors import QueryError
    from i2v_search.images.crops import read_box
    from i2v_search.search.examples import examples_of
    from i2v_search.search.text import Text

    pictures = [place for place, query in enumerate(queries) if not isinstance(query, Text)]
    if len(pictures) != 1:
        raise typer.BadParameter(f"--crop takes a part of one query picture, not of {len(pictures)}")
    (example,) = examples_of(queries[pictures[0]])
    try:
        box = read_box(crop, lambda: collection.size_of(example.image))
    except ValueError:
        raise typer.BadParameter(
            f"--crop must be left,top,width,height in pixels or percent, as 10%,10%,40%,40%, not {crop!r}"
        ) from None
    try:
        part = replace(example, crop=box)
    except QueryError:
        width, height = collection.size_of(example.image)
        raise QueryError(
            f"--crop {crop} is not inside the picture, which has {width:,} x {height:,} pixels"
        ) from None
    return [part if place in pictures else query for place, query in enumerate(queries)]


def _refuse_for_each(queries: Sequence[str], weights: str) -> None:
    if not queries:
        raise typer.BadParameter("--each requires a QUERY; to search by tags alone, omit --each")
    if weights:
        raise typer.BadParameter(
            "--weights combines several queries into one; use either --weights or --each"
        )


def _separate(queries: Sequence[str]) -> tuple[list[str], list[Any]]:
    """Queries to search for separately; a file of vectors becomes several, with labels."""
    from i2v_search.search.query import read_vectors

    labels: list[str] = []
    images: list[Any] = []
    for query in queries:
        vectors = read_vectors(query) if _is_npy(query) else None
        if vectors is None or vectors.ndim != 2:
            labels.append("")
            images.append(query)
        else:
            labels += [f"{query}[{row}]" for row in range(len(vectors))]
            images += list(vectors)
    return labels, images


def _is_npy(query: Any) -> bool:
    return isinstance(query, str) and query.lower().endswith(".npy") and Path(query).is_file()
