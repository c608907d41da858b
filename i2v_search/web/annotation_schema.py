"""Request and response models of what people keep: boards, stars, notes, own tags, saved searches."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from i2v_search.choices import BoardOrder
from i2v_search.store.annotations.boards import MAX_PICTURES
from i2v_search.store.annotations.layouts import (
    DEEPEST,
    FARTHEST,
    LARGEST_SCALE,
    LAST_GROUP,
    SMALLEST_SCALE,
)
from i2v_search.store.annotations.pictures import MAX_TAGS
from i2v_search.store.annotations.searches import MAX_QUERY
from i2v_search.store.annotations.texts import MAX_NAME, MAX_NOTE
from i2v_search.web.schema import ImageId, RequestModel, ResponseModel, Version

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
Note = Annotated[str, Field(max_length=MAX_NOTE)]
Ids = Annotated[list[ImageId], Field(min_length=1, max_length=MAX_PICTURES, examples=[[1, 3]])]
BoardId = Annotated[int, Field(ge=0, lt=2**63, description="number of a board")]
Query = Annotated[str, Field(min_length=1, max_length=MAX_QUERY, description="query of the page's address")]


class BoardModel(ResponseModel):
    """A board."""

    id: BoardId
    name: str
    note: str
    size: int = Field(description="number of pictures, those that the collection lacks included")
    cover: list[ImageId] = Field(description="the first few images")


class MissingPicture(ResponseModel):
    """A picture of a board that the collection does not hold at the moment."""

    path: str = Field(description="where it lay when it was put on the board")
    sha256: str


class BoardPicturesModel(BoardModel):
    """A board and what is on it."""

    ids: list[ImageId] = Field(description="images in their order")
    missing: list[MissingPicture]


class NewBoard(RequestModel):
    """A board to be made."""

    name: Name = Field(examples=["Mood"])
    note: Note = ""


class BoardChange(RequestModel):
    """What is to change of a board; what is left out stays."""

    name: Name | None = None
    note: Note | None = None
    before: BoardId | None = Field(default=None, description="board that it is moved before")
    last: bool = Field(default=False, description="move it after all others")


class PlacedImages(RequestModel):
    """Images that are put on a board together; those that are on it move."""

    ids: Ids
    before: ImageId | None = Field(default=None, description="image that they come before; null: the end")


class SomeImages(RequestModel):
    """Images."""

    ids: Ids


class OrderRequest(RequestModel):
    """How the pictures of a board are put in order."""

    by: BoardOrder = Field(description="gradual: so that each picture is as like the one before it as can be")


Coordinate = Annotated[float, Field(ge=-FARTHEST, le=FARTHEST, description="units of the canvas")]


class PlacedImage(RequestModel):
    """Where an image lies on the canvas of a board."""

    id: ImageId
    x: Coordinate = Field(description="of its middle, to the right")
    y: Coordinate = Field(description="of its middle, downwards")
    scale: float = Field(
        ge=SMALLEST_SCALE, le=LARGEST_SCALE, description="units that a pixel is wide", examples=[0.5]
    )
    rotation: float = Field(default=0, ge=0, lt=360, description="degrees clockwise")
    depth: float = Field(
        default=0, ge=-DEEPEST, le=DEEPEST, description="what has less is covered by what has more"
    )
    group: int | None = Field(
        default=None, ge=0, le=LAST_GROUP, description="number that the images of a group share"
    )


class LayoutChange(RequestModel):
    """Images that lie somewhere else from now on; all others stay."""

    places: list[PlacedImage] = Field(min_length=1, max_length=MAX_PICTURES)


class LaidImageModel(ResponseModel):
    """An image on the canvas of a board."""

    id: int
    path: str
    width: int
    height: int
    version: Version
    x: float
    y: float
    scale: float
    rotation: float
    depth: float
    group: int | None


class SuggestionModel(ResponseModel):
    """An image that may belong on a board."""

    id: ImageId
    path: str
    width: int
    height: int
    version: Version


class Added(ResponseModel):
    """What putting images on a board did."""

    added: int = Field(description="number of images that were not on it before")


class NotesModel(ResponseModel):
    """What is kept of a picture."""

    starred: bool
    note: str
    tags: list[str] = Field(description="tags of people's own")


class NotesChange(RequestModel):
    """What is to change of a picture; what is left out stays."""

    note: Note | None = None
    add: list[Name] = Field(default=[], max_length=MAX_TAGS, description="own tags to add", examples=[[]])
    remove: list[Name] = Field(
        default=[], max_length=MAX_TAGS, description="own tags to take away", examples=[[]]
    )


class StarChange(SomeImages):
    """Images that become favourites, or are no longer."""

    starred: bool = True


class StarsModel(ResponseModel):
    """The favourites."""

    ids: list[ImageId]


class OwnTag(ResponseModel):
    """A tag of people's own and its number of pictures."""

    name: str
    count: int


class PairChange(RequestModel):
    """Two images that are not copies of one another, or are after all."""

    one: ImageId
    other: ImageId
    apart: bool = True


class SearchModel(ResponseModel):
    """A saved search."""

    name: str
    query: str


class NewSearch(RequestModel):
    """A search to be saved."""

    name: Name
    query: Query = Field(examples=["?tag=owl"])
    replace: bool = Field(default=True, description="whether it takes the place of one of the same name")


class SearchName(RequestModel):
    """Name of a saved search."""

    name: Name


class SearchRename(SearchName):
    """Another name for a saved search."""

    new: Name
