"""Output of commands for people: tables, and summaries of the work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table

from i2v_search.cli import bars, console
from i2v_search.cli.console import Console
from i2v_search.escapes import visible
from i2v_search.files import naming

if TYPE_CHECKING:
    from PIL import Image

    from i2v_search.build.extract import Extraction
    from i2v_search.collection.collection import Collection
    from i2v_search.collection.info import CollectionInfo
    from i2v_search.encoders.model_card import ModelCard
    from i2v_search.encoders.tagging import TaggedImage
    from i2v_search.images.captions import CaptionWriter
    from i2v_search.images.sources import Skipped
    from i2v_search.images.unread import NotRead
    from i2v_search.index.planner import IndexPlan
    from i2v_search.search.results import Hit, SearchResult
    from i2v_search.store.checksums import Damage

out, err, as_json = console.out, console.err, console.as_json
progress = bars.progress
SHOWN_SKIPPED = 20
SHOWN_LINKS = 5


def save(picture: Image.Image, path: Path, *, quiet: bool) -> None:
    """Write a picture and report it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with naming(path):
            picture.save(path)
    except ValueError as error:
        raise typer.BadParameter(f"{path}: {error}; the file name must end in .png, .jpg or .webp") from None
    if not quiet:
        out.print(f"wrote {path}", markup=False)


def heading(text: str) -> None:
    """Print the heading of the next table."""
    out.print(f"[bold]{escape(text)}[/bold]")


def text_widths(paths: Iterable[str], others: Sequence[int], tags: str) -> tuple[int, int]:
    """Widths for paths and for tags under a heading, beside columns of other widths.

    Complete paths, to copy them, come first; tags get the rest.
    """
    room = out.width - sum(others) - 2 * (len(others) + 2)  # a space on either side of each
    for_paths = max(8, min(max(map(cell_len, paths)), room - len(tags)))
    return for_paths, max(len(tags), room - for_paths)


def hits(result: SearchResult) -> None:
    """Print search results as a table."""
    if not result.hits and result.offset:
        out.print("No results on this page. Try a lower --page.")
        return
    if not result.hits:
        out.print("No results. Try fewer filters or a lower --min-score.")
        return
    table = Table(box=None, header_style="bold")
    widths = {"rank": 4, "score": 6, "id": max(2, *(len(str(hit.id)) for hit in result.hits))}
    if not result.query:  # an order alone scores nothing
        del widths["score"]
    for heading, width in widths.items():
        if heading != "found by":
            table.add_column(heading, justify="right", min_width=width)
    why = {hit.rank: ", ".join(hit.why) for hit in result.hits}
    if any(why.values()):
        widths["found by"] = max(8, *map(len, why.values()))
    tags = "shared tags"
    names = [_place(hit) + _copies(hit.copies) for hit in result.hits]
    for_paths, for_tags = text_widths([visible(name) for name in names], [*widths.values()], tags)
    table.add_column("path", overflow="fold", min_width=for_paths)
    if "found by" in widths:
        table.add_column("found by", min_width=widths["found by"])
    table.add_column(tags, overflow="ellipsis", no_wrap=True, max_width=for_tags)
    for hit, name in zip(result.hits, names, strict=True):
        found_by = [why[hit.rank]] if "found by" in widths else []
        score = [f"{hit.score:.3f}"] if "score" in widths else []
        cells = [str(hit.rank), *score, str(hit.id), escape(name), *found_by]
        table.add_row(*cells, escape(", ".join(hit.tags)))
    out.print(table)
    place = f" from {result.offset + 1} on" if result.offset else ""
    more = "; more with --page" if result.more else ""
    if any(hit.copies for hit in result.hits):
        more += "; copies with --copies"
    hits = f"{len(result.hits)} hit{'' if len(result.hits) == 1 else 's'}"
    out.print(f"[dim]{hits}{place} in {result.seconds * 1000:.1f} ms{more}[/dim]")


def _place(hit: Hit) -> str:
    """The path of an image, behind the collection that it is of where several were searched."""
    from i2v_search.search.results import HitAcross

    return f"{hit.collection}: {hit.path}" if isinstance(hit, HitAcross) else hit.path


def searched_as_text(queries: Sequence[str]) -> None:
    """Say which queries were not an id, path or file."""
    for query in queries:
        out.print(f"[dim]{escape(visible(repr(query)))} is not an id, path or file; searched as text[/dim]")


def looks_like_sketch() -> None:
    """Say what would find more for a drawing that was given as a picture."""
    out.print("[dim]the query looks like a drawing of lines; --sketch searches for it as one[/dim]")


def finds_more(queries: str, option: str) -> None:
    """Say how a collection is built in which such queries find more."""
    out.print(f"[dim]{queries} find more in a collection that is built with {option}[/dim]")


def _copies(count: int) -> str:
    return f" (and {count} {'copy' if count == 1 else 'copies'})" if count else ""


def changes(collection: Collection, done: Extraction) -> None:
    """Print the result of a build or an extraction, with every skipped image."""
    counted = [f"{done.encoded} encoded"]
    for name in ("copied", "moved", "restored", "refreshed", "unchanged", "left_out", "removed"):
        if getattr(done, name):
            counted.append(f"{getattr(done, name)} {name.replace('_', ' ')}")
    if done.excluded:
        counted[-1] += f" ({done.excluded} of them excluded; their files still exist)"
    out.print(f"{len(collection)} images in {escape(str(collection.directory))}: {', '.join(counted)}")
    if done.left_out:
        out.print("Images that were removed stay out. To add them again, name them or use --forget-removals.")
    skipped(done.skipped)
    not_read(done.not_read)
    if done.links:
        named = [f"{link.path} ({link.images:,} images)" for link in done.links[:SHOWN_LINKS]]
        more = f" and {len(done.links) - SHOWN_LINKS:,} more" if len(done.links) > SHOWN_LINKS else ""
        out.print(f"followed links to folders: {escape(', '.join(named))}{more}")


def stopped(directory: Path) -> None:
    """Print the saved part of an interrupted build, and how to continue."""
    from i2v_search.errors import CollectionError
    from i2v_search.store.feature_store import FeatureStore

    try:
        count = len(FeatureStore(directory))
    except (CollectionError, OSError):
        err.print("stopped; nothing was written", markup=False)
        return
    err.print(
        f"stopped: {directory} keeps {count:,} images; run the same command again to continue", markup=False
    )


def not_read(items: Sequence[NotRead], console: Console = out) -> None:
    """Print the files in the folders that were not read, by kind."""
    from i2v_search.images.unread import described

    if items:
        console.print(f"not read: {escape(described(items))}", style="yellow")


def captions(writer: CaptionWriter, kept: Sequence[Skipped]) -> None:
    """Print which captions have an unusual name, and which were not written."""
    if writer.shared:
        example = writer.shared[0]
        err.print(
            f"{len(writer.shared)} images differ from another only in the extension, so their captions "
            f"keep it: {escape(example)}.txt"
        )
    skipped(tuple(kept), err, "captions not written")


def skipped(items: tuple[Skipped, ...], console: Console = out, what: str = "skipped") -> None:
    """Print the unreadable images, the first `SHOWN_SKIPPED` with their reasons."""
    if not items:
        return
    console.print(f"[yellow]{len(items)} {what}:[/yellow]")
    for item in items[:SHOWN_SKIPPED]:
        line = f"  {escape(item.path)}: {escape(item.reason)}"
        console.print(line, style="yellow")
    if len(items) > SHOWN_SKIPPED:
        console.print(f"  ... and {len(items) - SHOWN_SKIPPED} more", style="yellow")


def undrawn(items: Iterable[Skipped], collection: Collection) -> None:
    """Print the images that a picture shows as grey squares, with a hint; then the exit code is 1.

    An incomplete picture is written, but the exit code reports it, also in a script.
    """
    found = tuple({item.path: item for item in items}.values())
    if not found:
        return
    skipped(found, err, "drawn as grey squares")
    root, directory = collection.info().image_root, collection.directory
    err.print(
        "If they are on a disconnected disk, connect it; if they were moved, run: "
        f"i2v-search relocate {escape(root)} NEW --collection {escape(str(directory))}"
    )
    raise typer.Exit(1)


def tags(item: TaggedImage) -> None:
    """Print the tags of one image, one line per category."""
    out.print(f"[bold]{escape(item.path)}[/bold]")
    named = item.tags.to_dict()
    if not any(named.values()):
        out.print("  untagged")
        return
    for category, found in named.items():
        listed = ", ".join(f"{name} {probability:.2f}" for name, probability in found)
        out.print(f"  {category:<10} {escape(listed) or '-'}")


def model(card: ModelCard) -> None:
    """Print an imported model."""
    from i2v_search.encoders.model_files import read_origin
    from i2v_search.encoders.model_folder import model_folder

    origin = read_origin(model_folder(card))
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    gives = [f"{card.dimension}-d vectors"] if card.dimension else []
    gives += ["vectors of text"] if card.text else []
    gives += [f"{card.tags} tags"] if card.tags else []
    uses = [f"--encoder {card.name}"] if card.dimension else []
    uses += [f"--tagger {card.name}"] if card.tags else []
    for name, value in (
        ("model", card.name),
        ("kind", card.kind),
        ("gives", ", ".join(gives)),
        ("use it with", " or ".join(uses)),
        ("from", card.source),
        ("SHA-256", card.source_sha256),
        ("input", card.preprocessing),
        *((("licence", origin.licence), ("page", origin.page)) if origin else ()),
    ):
        table.add_row(name, escape(value))
    out.print(table)


def models(cards: list[ModelCard], plugged: Mapping[str, str] = {}) -> None:
    """Print the imported models as a table, and the encoders of other packages by name and origin."""
    if not cards and not plugged:
        out.print("No imported models. See i2v-search models available, or: i2v-search models import FILE")
        return
    table = Table("model", "kind", "vectors", "words", "tags", "from", box=None, header_style="bold")
    for card in cards:
        dimension, tags = (str(number) if number else "" for number in (card.dimension, card.tags))
        words = "yes" if card.text else ""
        table.add_row(card.name, card.kind, dimension, words, tags, escape(card.source))
    for name, source in plugged.items():
        table.add_row(escape(name), "plug-in", "", "", "", escape(source))
    out.print(table)


def info(facts: CollectionInfo) -> None:
    """Print facts about a collection."""
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    rows = {
        "collection": facts.directory,
        "images": f"{facts.images:,} from {facts.image_root}",
        "vectors": f"{facts.dimension}-d by encoder {facts.encoder}",
        "similarity": facts.similarity,
        "index": _index_line(facts),
        "tags": f"{facts.tags:,}" if facts.tags else "none; add tags.jsonl, or build with --tagger",
        **({"columns": ", ".join(facts.columns)} if facts.columns else {}),
        "disk": f"{sum(facts.bytes.values()) / 1e6:,.1f} MB in {len(facts.bytes)} files",
    }
    for kind, option in (("lines", "--sketch"), ("details", "--crop")):
        if kind in facts.views:
            count = facts.views[kind]
            told = f"of {count:,} different images, for search {option}"
            rows[kind] = told if count else "of another version, not searched; build again"
    if facts.dead_rows:
        rows["dead rows"] = f"{facts.dead_rows:,}"
    for name, value in rows.items():
        table.add_row(name, escape(value))
    out.print(table)


def _index_line(facts: CollectionInfo) -> str:
    if facts.index is None:
        return "missing; run: i2v-search index"
    line = f"{facts.index['kind']}: {_kind_line(facts.index)}"
    if facts.index["kind"] != "exact":
        line += f", recall@10 {facts.index['recall_at_10']:.3f}"
    if facts.index["query_ms"] is not None:
        line += f", {facts.index['query_ms']:.1f} ms a search"
    if facts.unindexed:
        line += f"; {facts.unindexed:,} unindexed rows are scanned separately"
    return line


def _kind_line(index: dict[str, Any]) -> str:
    """An index or a plan in a few words."""
    again = f"{', two stages' * index['refined']}, best {index['candidates']} re-ranked in full"
    match index["kind"]:
        case "exact":
            return "exact comparison with every image"
        case "pca":
            return f"{index['dimensions']} principal components scanned{again}"
        case "codes":
            return f"{index['dimensions']}-bit codes scanned{again}"
        case "ivf":
            return f"{index['lists']:,} lists of codes of {index['dimensions']} components{again}"
        case _:
            return f"graph (HNSW) over {index['dimensions']} principal components{again}"


def plan(planned: IndexPlan) -> None:
    """Print the planned index and its predicted cost."""
    out.print(f"[bold]{planned.kind}[/bold]: {escape(_kind_line(planned.to_dict()))}")
    out.print(f"[dim]{escape(planned.reason)}[/dim]")
    cost = planned.predicted
    out.print(
        f"[dim]predicted: {cost.memory_bytes / 1e6:,.0f} MB of memory to search, "
        f"{cost.build_memory_bytes / 1e6:,.0f} MB to build, {cost.disk_bytes / 1e6:,.0f} MB on disk, "
        f"{_duration(cost.build_seconds)} to build, {cost.query_ms:.1f} ms a search[/dim]"
    )
    if planned.shortfall:
        out.print(f"[yellow]requirements not met: {escape(planned.shortfall)}[/yellow]")


def built(facts: CollectionInfo) -> None:
    """Print the measured cost of an index beside the predicted one, and a recall below the target."""
    index = facts.index
    if index is None or not index["actual"]:
        return
    table = Table(box=None, header_style="bold")
    for heading in ("", "predicted", "measured"):
        table.add_column(heading, justify="right" if heading else "left")
    for label, key, scale, unit in (
        ("memory to search", "memory_bytes", 1e-6, "MB"),
        ("memory to build", "build_memory_bytes", 1e-6, "MB"),
        ("disk", "disk_bytes", 1e-6, "MB"),
        ("build time", "build_seconds", 1, "s"),
        ("search time", "query_ms", 1, "ms"),
    ):
        values = [index[side].get(key, 0) * scale for side in ("predicted", "actual")]
        table.add_row(label, *(f"{value:,.1f} {unit}" for value in values))
    out.print(table)
    recall = index["wishes"]["recall_target"]
    if index["recall_at_10"] < recall:
        out.print(
            f"[yellow]recall@10 is {index['recall_at_10']:.3f}, below the target {recall:g}: use --kind "
            "exact, or more --pca components[/yellow]"
        )


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def damages(found: tuple[Damage, ...], collection: Collection) -> None:
    """Print the damage found by `verify`."""
    if not found:
        out.print(f"{len(collection)} images: every file matches its checksum.")
    for damage in found:
        out.print(f"[red]{escape(damage.file)}[/red]: {escape(damage.problem)}")
