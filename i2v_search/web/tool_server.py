"""A collection as tools for programs that speak the Model Context Protocol, such as assistants.

A program names images by id, by stored path, or by files in folders that it may read; everything else on the
disk is out of its reach. Nothing is changed.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Annotated, ParamSpec, TypeVar

import PIL.Image
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from i2v_search.collection.collection import Collection
from i2v_search.errors import I2VSearchError, QueryError
from i2v_search.escapes import printable
from i2v_search.morph.stops import Morph
from i2v_search.pictures.morph_strips import morph_picture
from i2v_search.pictures.thumbnails import picture_of
from i2v_search.search.results import SearchResult
from i2v_search.search.text import Text
from i2v_search.web.jobs.tag_statistics import TagStatistics

P = ParamSpec("P")
R = TypeVar("R")

#: Tags that `list_tags` gives.
_TAGS = 200
_READING = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_INSTRUCTIONS = (
    "Searches a collection of illustrations. Images are named by id, by their path in the collection, or by "
    "a file in an allowed folder. Look at results with show_picture before you describe them."
)

Reference = Annotated[
    str, Field(description="id or path of an image of the collection, or a file in an allowed folder")
]
Top = Annotated[int, Field(ge=1, le=100, description="number of results")]
Steps = Annotated[int, Field(ge=1, le=20, description="number of images between A and B")]


class CollectionFacts(BaseModel):
    """What a collection is."""

    directory: str
    images: int
    encoder: str
    image_folder: str
    allowed_folders: list[str] = Field(description="files in them may be given as queries")


class FoundImage(BaseModel):
    """An image that was found."""

    id: int
    path: str
    score: float = Field(description="similarity in [-1, 1], or the probability of the given tags")
    tags: list[str] = Field(description="tags shared with the query, rarest first")
    copies: int = Field(description="further copies of it, which are not listed")


class Found(BaseModel):
    """The result of a search."""

    images: list[FoundImage]
    more: bool


class MorphStop(BaseModel):
    """An image of a morph; `id` is null for a file from outside."""

    id: int | None
    path: str
    hop_degrees: float
    tags: list[str]


class FoundMorph(BaseModel):
    """A path of images from A to B."""

    stops: list[MorphStop]
    largest_hop_degrees: float


class TagCount(BaseModel):
    """A tag, and how many images have it."""

    name: str
    images: int


class CollectionTools:
    """The tools. Every method that is one is in `TOOLS`.

    Args:
        directory: the collection, which is opened again when another process has changed it.
        allowed: folders whose files may be given as queries.

    Raises:
        CollectionNotFoundError: there is no collection.

    Example:
        >>> tools = CollectionTools(Path("index/art"), [])
        >>> tools.search(image="fruit/lemon.webp", top=1).images[0].path
        'fruit/strawberry.webp'
    """

    def __init__(self, directory: Path, allowed: Sequence[Path]) -> None:
        self._directory = directory
        #: Tools are called in threads, and a collection answers one at a time.
        self.lock = Lock()
        self._allowed = [folder.resolve() for folder in allowed]
        self._collection, self._changed = Collection.open(directory), self._time()

    def describe_collection(self) -> CollectionFacts:
        """What the collection is: number of images, encoder, folders."""
        art = self._current()
        return CollectionFacts(
            directory=printable(str(art.directory.resolve())),
            images=len(art),
            encoder=art.store.manifest.encoder.id,
            image_folder=printable(art.store.manifest.image_root),
            allowed_folders=[printable(str(folder)) for folder in self._allowed],
        )

    def search(
        self,
        text: Annotated[str, Field(description="words, e.g. 'a red dragon'; may be empty")] = "",
        image: Annotated[str, Field(description="id or path of an image, as of morph; may be empty")] = "",
        tags: Annotated[str, Field(description="tags of every result, e.g. 'bird, -cat'")] = "",
        folder: Annotated[str, Field(description="only images in this folder of the collection")] = "",
        top: Top = 10,
    ) -> Found:
        """Find images by words, by an image, by tags, or by several of these together."""
        art = self._current()
        query = [*([self._image(art, image)] if image else []), *([Text(text)] if text else [])]
        if not query and not tags:
            raise QueryError("give a text, an image or tags")
        return _found(art.search(query or None, top=top, tags=tags, paths=folder or ()))

    def morph(self, a: Reference, b: Reference, steps: Steps = 4) -> FoundMorph:
        """Find a path of images of the collection that leads gradually from A to B."""
        return _morph(self._find_morph(self._current(), a, b, steps))

    def show_morph(self, a: Reference, b: Reference, steps: Steps = 4) -> Image:
        """Draw a morph from A to B as a strip of its pictures."""
        art = self._current()
        return _png(morph_picture(art, self._find_morph(art, a, b, steps)))

    def show_picture(
        self,
        image: Reference,
        side: Annotated[int, Field(ge=32, le=1024, description="longer side in pixels, at most")] = 512,
    ) -> Image:
        """Show an image."""
        art = self._current()
        picture = picture_of(art, self._image(art, image), side).copy()
        picture.thumbnail((side, side))
        return _png(picture)

    def list_tags(
        self, prefix: Annotated[str, Field(description="how a word of them begins; may be empty")] = ""
    ) -> list[TagCount]:
        """Tags of the collection, those that say most first: search takes these and no others."""
        found = TagStatistics(self._current().store).starting(prefix, _TAGS)
        return [TagCount(name=printable(tag.name), images=tag.count) for tag in found]

    def _time(self) -> int:
        return (self._directory / "collection.json").stat().st_mtime_ns

    def _current(self) -> Collection:
        now = self._time()
        if now != self._changed:
            self._collection, self._changed = Collection.open(self._directory), now
        return self._collection

    def _image(self, art: Collection, reference: str) -> int | Path:
        """The id or the file that a reference means, if a program may use it."""
        if reference.isdecimal() and int(reference) in art:
            return int(reference)
        if reference in art:
            return art[reference].id
        file = Path(reference).expanduser()
        if file.is_absolute() and any(file.resolve().is_relative_to(folder) for folder in self._allowed):
            return file.resolve()
        folders = ", ".join(str(folder) for folder in self._allowed) or "none"
        raise QueryError(
            f"{reference[:200]!r} is no id or path of the collection, and no file in an allowed folder "
            f"(absolute paths; allowed: {folders})"
        )

    def _find_morph(self, art: Collection, a: str, b: str, steps: int) -> Morph:
        return art.morph(self._image(art, a), self._image(art, b), steps=steps)


TOOLS = (
    CollectionTools.describe_collection,
    CollectionTools.search,
    CollectionTools.morph,
    CollectionTools.show_morph,
    CollectionTools.show_picture,
    CollectionTools.list_tags,
)


def tool_server(tools: CollectionTools) -> MCPServer:
    """The server of the tools of a collection; `run()` serves them on standard input and output.

    Args:
        tools: of the collection.

    Example:
        >>> tool_server(CollectionTools(Path("index/art"), [])).name
        'i2v-search'
    """
    server: MCPServer = MCPServer(
        "i2v-search", instructions=_INSTRUCTIONS, version=version("i2v-search"), log_level="WARNING"
    )
    for tool in TOOLS:
        bound = getattr(tools, tool.__name__)
        server.add_tool(_telling(bound, tools.lock), name=tool.__name__, annotations=_READING)
    return server


def _telling(tool: Callable[P, R], lock: Lock) -> Callable[P, R]:
    """A tool that waits for the others. Errors of the library are told to the program, all others logged."""

    @functools.wraps(tool)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with lock:
                return tool(*args, **kwargs)
        except I2VSearchError as error:
            raise ToolError(printable(str(error))) from error

    return told


def _found(result: SearchResult) -> Found:
    images = [
        FoundImage(
            id=hit.id,
            path=printable(hit.path),
            score=round(hit.score, 4),
            tags=[printable(tag) for tag in hit.tags],
            copies=hit.copies,
        )
        for hit in result.hits
    ]
    return Found(images=images, more=result.more)


def _morph(found: Morph) -> FoundMorph:
    stops = [
        MorphStop(
            id=stop.id,
            path=printable(stop.path),
            hop_degrees=_degrees(stop.hop),
            tags=[printable(tag) for tag in stop.tags],
        )
        for stop in found.stops
    ]
    return FoundMorph(stops=stops, largest_hop_degrees=_degrees(found.quality.largest_hop))


def _degrees(radians: float) -> float:
    return round(math.degrees(radians), 1)


def _png(picture: PIL.Image.Image) -> Image:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return Image(data=file.getvalue(), format="png")
