"""Request and response models of the API, which validate requests and appear in OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from i2v_search.choices import ExampleKind, MorphMethod, PictureShape, SearchOrder
from i2v_search.search.column_conditions import MOST_LETTERS
from i2v_search.search.results import Reason
from i2v_search.search.tag_query import MAX_TAG

ImageId = Annotated[int, Field(ge=0, lt=2**63, description="image id")]
UploadKey = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of an uploaded file, lower-case hex")
]
TagText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2 * MAX_TAG + 3,  # each letter with a backslash, between quotation marks, behind a sign
        description="tag; a leading - excludes it; a name that starts with - must be quoted",
    ),
]
Rating = Annotated[str | None, Field(max_length=100, description="rating of every result")]
PathPattern = Annotated[str, Field(min_length=1, max_length=4096)]
NamePart = Annotated[str, Field(min_length=1, max_length=200)]
Side = Annotated[int | None, Field(ge=0, le=2**31)]
Day = Annotated[str | None, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Version = Annotated[str, Field(description="first 12 hex digits of the file's SHA-256")]


def version_of(sha256: str) -> str:
    """Version of an image file, from the SHA-256 (hex) of the file."""
    return sha256[:12]


_KEY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class RequestModel(BaseModel):
    """Base class of request models: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class ResponseModel(BaseModel):
    """Base class of response models."""

    model_config = ConfigDict(frozen=True)


class ById(RequestModel):
    """An image of the collection."""

    id: ImageId = Field(examples=[17])


class ByUpload(RequestModel):
    """An image that was uploaded."""

    upload: UploadKey = Field(examples=[_KEY])


class ByText(RequestModel):
    """Words that say what is looked for, in any language that the encoder knows."""

    text: str = Field(min_length=1, max_length=500, pattern=r"\S", examples=["a red dragon"])


ImageRef = ById | ByUpload | ByText

Weight = Annotated[
    float, Field(ge=-100, le=100, description="weight of the example; negative: results differ from it")
]

Share = Annotated[float, Field(ge=0, le=1)]


class LookFields(RequestModel):
    """What of an image is looked at, and how."""

    kind: ExampleKind = Field(default="picture", description="sketch: a drawing of lines, also on paper")
    crop: list[Share] | None = Field(
        default=None,
        min_length=4,
        max_length=4,
        description="left, top, width and height of the part to look at, as shares of the picture's sides",
        examples=[None],
    )
    subject: Share = Field(
        default=1.0, description="how much what the picture shows counts; of it and style one is above 0"
    )
    style: Share = Field(
        default=1.0, description="how much the way it is drawn counts; 0: the same subject in any style"
    )


class ExampleById(ById, LookFields):
    """An image of the collection as an example, positive or negative."""

    weight: Weight = 1.0


class ExampleByUpload(ByUpload, LookFields):
    """An uploaded image as an example, positive or negative."""

    weight: Weight = 1.0


class ExampleByText(ByText):
    """A text as an example, positive or negative."""

    weight: Weight = 1.0


class ConditionFields(RequestModel):
    """Conditions on every image; those that are not given let all pass."""

    tags: list[TagText] = Field(default=[], max_length=32, examples=[[]])
    rating: Rating = Field(default=None, examples=[None])
    paths: list[PathPattern] = Field(
        default=[],
        max_length=32,
        description="folders, files or globs, one of which must match; a leading - excludes one",
        examples=[[]],
    )
    names: list[NamePart] = Field(
        default=[],
        max_length=32,
        description="parts of the file name, whatever their case; a leading - excludes one",
        examples=[[]],
    )
    shape: PictureShape | None = Field(
        default=None, description="strip: one side is more than four times the other", examples=[None]
    )
    min_side: Side = Field(default=None, description="minimum pixels of the longer side", examples=[None])
    max_side: Side = Field(default=None, description="maximum pixels of the longer side", examples=[None])
    animated: bool | None = Field(
        default=None, description="whether the file has several frames", examples=[None]
    )
    colour: str | None = Field(
        default=None,
        pattern=r"^#[0-9a-fA-F]{6}$",
        description="colour that takes at least 8 % of the picture, or a shade near it",
        examples=[None],
    )
    board: str | None = Field(
        default=None, min_length=1, max_length=200, description="board that it is on", examples=[None]
    )
    starred: bool | None = Field(default=None, description="whether it is a favourite", examples=[None])
    condition: str | None = Field(
        default=None,
        max_length=MOST_LETTERS,
        description="condition on the columns: score > 50 and rating = general and date >= 2023",
        examples=[None],
    )
    after: Day = Field(default=None, description="first day of modification", examples=[None])
    before: Day = Field(default=None, description="last day of modification", examples=[None])


class FilterFields(ConditionFields):
    """Filters of the images, and their ranking."""

    examples: list[ExampleById | ExampleByUpload | ExampleByText] = Field(
        default=[], max_length=32, examples=[[{"id": 1}, {"id": 3, "weight": -0.5}]]
    )
    min_score: float | None = Field(default=None, ge=-1, le=1, examples=[0.1])
    tag_weight: float = Field(default=0.0, ge=0, le=1, description="weight of the tags in the score")
    diverse: float | None = Field(
        default=None, ge=0, le=1, description="1: plain order; 0: as different from one another as possible"
    )
    copies: bool = Field(default=False, description="include copies of the same picture")
    order: SearchOrder | None = Field(
        default=None,
        description="order of the results (default: likeness where something is asked for, else board where "
        "that is given, else varied); "
        "where examples are given, other orders sort the best 200 hits",
        examples=[None],
    )
    seed: int = Field(default=0, ge=0, lt=2**53, description="seed of the order random")
    by: str = Field(
        default="",
        max_length=65,
        description="column that the order column sorts by; with a leading - from the largest on",
    )


class SearchRequest(FilterFields):
    """A search. Without examples and positive tags, all images that meet the conditions."""

    top: int = Field(default=60, ge=1, le=200)
    offset: int = Field(default=0, ge=0, le=10_000_000)


class HitModel(ResponseModel):
    """One image of a search result."""

    rank: int = Field(description="1 for the best", examples=[1])
    id: ImageId
    path: str = Field(description="relative to the image folder", examples=["birds/owl.png"])
    score: float | None = Field(description="null without ranking", examples=[0.72])
    tags: list[str] = Field(description="tags shared with the query, the rarest first")
    copies: int = Field(description="number of other copies of the same picture that are not listed")
    why: list[Reason] = Field(description="what of a text it was found by; empty without a text")
    box: list[float] | None = Field(
        description="part that a crop was found in: left, top, width, height as shares of the image's sides"
    )
    width: int
    height: int
    version: Version


class SearchResponse(ResponseModel):
    """The result of a search."""

    hits: list[HitModel]
    more: bool = Field(description="whether there is a next page")
    total: int | None = Field(
        default=None, description="number of hits of all pages; null where it is not known"
    )
    seconds: float
    query: str = Field(description="the query in words")
    looks_like_sketch: bool = Field(
        description="whether a picture of the query seems to be a drawing of lines, which kind sketch is for",
    )


class TagModel(ResponseModel):
    """A tag of one image."""

    name: str = Field(examples=["bird"])
    probability: float = Field(examples=[0.93])
    category: str = Field(examples=["general"])


class TagCount(ResponseModel):
    """A tag and its number of images."""

    name: str
    category: str
    count: int


class SimilarTag(TagCount):
    """A tag that occurs with another one."""

    score: float = Field(description="cosine of their co-occurrence, in [0, 1]")


class FolderModel(ResponseModel):
    """A folder and its number of images, those of the folders in it included."""

    path: str = Field(examples=["birds/owls"])
    images: int


class NameModel(FolderModel):
    """A folder or a file."""

    kind: Literal["folder", "file"]
    id: ImageId | None = Field(description="id of a file; null for a folder")


class ImageModel(ResponseModel):
    """Details of an image."""

    id: ImageId
    path: str
    width: int
    height: int
    bytes: int
    modified: datetime = Field(description="of the file, as of the build")
    tags: list[TagModel] = Field(description="most probable first")
    rating: str | None
    columns: dict[str, int | float | str] = Field(
        description="values of the collection's columns that it has", examples=[{"score": 57}]
    )
    version: Version


class RegionQuery(BaseModel):
    """A part of a picture as displayed, in its pixels."""

    model_config = ConfigDict(extra="forbid")

    x: int = Field(ge=0, lt=2**24, examples=[0])
    y: int = Field(ge=0, lt=2**24, examples=[0])
    width: int = Field(ge=1, lt=2**24, examples=[256])
    height: int = Field(ge=1, lt=2**24, examples=[256])
    v: str | None = Field(
        default=None, max_length=64, description="version of the image; makes the response immutable"
    )


class FileStatement(ResponseModel):
    """What is written into a file."""

    kind: Literal["description", "artist", "copyright", "software", "camera", "lens", "date"]
    text: str


class TagFile(ResponseModel):
    """A file beside an image that says something of it."""

    name: str = Field(description="relative to the image folder", examples=["birds/owl.txt"])
    tags: list[str] = Field(description="tags that it gives")
    text: str = Field(description="all that a caption says")


class DetailsModel(ResponseModel):
    """What an image's file, and the files beside it, say."""

    format: str = Field(examples=["PNG"])
    frames: int = Field(description="number of frames or pages")
    shown: int = Field(description="number of frames that can be requested")
    times: list[int] = Field(description="milliseconds of each frame; empty without an animation")
    statements: list[FileStatement]
    tag_files: list[TagFile]
    tagger: str = Field(description="what gave the tags that come from no file")


class UploadModel(ResponseModel):
    """An uploaded image."""

    upload: UploadKey = Field(examples=[_KEY])
    width: int
    height: int
    id: ImageId | None = Field(description="id of the same file in the collection")
    tags: list[TagModel]


class UploadLimits(ResponseModel):
    """Limits of an upload."""

    bytes: int
    pixels: int


class CollectionModel(ResponseModel):
    """Details of a collection."""

    name: str
    images: int
    encoder: str
    dimension: int
    similarity: str
    tags: int = Field(description="number of distinct tags")
    ratings: list[str]
    has_graph: bool = Field(description="whether methods geodesic and minimax are available")
    dials: bool = Field(description="whether subject and style of an example can count apart")
    upload_limits: UploadLimits
    desktop: bool = Field(description="whether the server may open files of this computer for its page")


class SelectionRequest(RequestModel):
    """Images that are taken out together."""

    ids: list[ImageId] = Field(min_length=1, max_length=5000, examples=[[1, 3]])


class SelectionModel(ResponseModel):
    """Images selected together; kept for a while."""

    key: str = Field(description="name of the selection, from its ids", examples=["3f0c8a1d5b7e92464ad1"])
    images: int
    bytes: int = Field(description="total size of their files as the collection knows them")


class DesktopRequest(RequestModel):
    """What this computer's desktop is to do with the file of an image."""

    action: Literal["show", "open"] = Field(
        description="show: select it in the file manager; open: open it in a program"
    )


class PlaceModel(ResponseModel):
    """Where the file of an image lies on this computer."""

    path: str = Field(
        description="absolute; of an image in an archive, the archive", examples=["/art/owl.png"]
    )


class Health(ResponseModel):
    """Health of the server."""

    status: Literal["ok"] = "ok"
    images: int
    version: str


class MorphRequest(ConditionFields):
    """A morph from one image to another; the images between them meet the conditions."""

    a: ImageRef = Field(examples=[{"id": 1}])
    b: ImageRef = Field(examples=[{"id": 30}])
    via: list[ImageRef] = Field(default=[], max_length=8, examples=[[]])
    steps: int | None = Field(
        default=4, ge=0, le=60, description="number of images between A and B; null: automatic"
    )
    method: MorphMethod = "gradual"
    exclude: list[ImageId] = Field(
        default=[], max_length=1000, description="images to avoid; unknown ids are ignored"
    )


class StopModel(ResponseModel):
    """One image of a morph."""

    id: ImageId | None
    upload: UploadKey | None
    path: str
    hop: float = Field(description="angle to the previous image, in radians")
    progress: float = Field(description="position on the path, from 0 to 1")
    tags: list[str]
    waypoint: bool
    text: str = Field(description="the text that it was the best result for")
    width: int
    height: int
    version: Version


class QualityModel(ResponseModel):
    """Quality of a morph."""

    hops: list[float] = Field(description="angles in radians")
    largest_hop: float
    mean_hop: float
    bottleneck: float | None = Field(description="smallest possible largest hop, with any number of images")
    regret: float | None = Field(description="largest hop over the bottleneck")
    monotonicity: float = Field(description="fraction of the hops that lead towards B")
    near_duplicates: int


class MorphResponse(ResponseModel):
    """A morph."""

    stops: list[StopModel]
    quality: QualityModel
    gaps: int
    seconds: float
    method: str


class MapPoint(ResponseModel):
    """Coordinates of an image."""

    id: ImageId
    x: float = Field(ge=0, le=1)
    y: float = Field(ge=0, le=1)
    version: Version
    ratio: float = Field(description="width over height", examples=[1.5])


class MapRegion(ResponseModel):
    """A region of the map, named by a tag that is common there and rare elsewhere."""

    name: str
    x: float = Field(ge=0, le=1)
    y: float = Field(ge=0, le=1)
    images: int = Field(description="number of images of the region")
    level: int = Field(description="0 for the largest regions; the others are for nearer looks")


AtlasKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="key of the sprite sheets")]


class MapModel(ResponseModel):
    """The collection in two dimensions."""

    method: str = Field(examples=["tsne"])
    explained: str = Field(description="how reliable the map is, in words")
    images: list[MapPoint] = Field(description="those near each other on the map follow one another")
    regions: list[MapRegion] = Field(description="the largest first")
    atlas: AtlasKey


class MatchesModel(ResponseModel):
    """Images that match the conditions."""

    ids: list[ImageId]


class Waiting(ResponseModel):
    """The result is being computed; try again."""

    status: Literal["computing"] = "computing"
    stage: str = Field(description="what is done at the moment, in words; empty while it begins")
    share: float = Field(ge=0, le=1, description="how much of the whole is done")
    seconds_left: float | None = Field(description="estimate; null while unknown")


class AtlasLevel(ResponseModel):
    """Sprite sheets of one size: image number n of the map is in sheet n // across², there in cell n mod
    across², from left to right and top to bottom, in the top left corner of its cell."""

    side: int = Field(description="side of a cell in pixels", examples=[16])
    across: int = Field(description="cells in a row", examples=[64])
    ready: list[int] = Field(description="numbers of the sheets there are")


class AtlasModel(ResponseModel):
    """How far the sprite sheets of a map are."""

    levels: list[AtlasLevel]
    done: int = Field(description="number of images whose sprites are finished")
    total: int
    making: bool = Field(description="whether further sheets will come")
    seconds_left: float | None = Field(description="estimate; null while unknown")


class ErrorDetail(ResponseModel):
    """Details of an error."""

    code: str = Field(description="stable error code", examples=["not_found"])
    message: str = Field(description="message in words")
    request_id: str = Field(description="request id, as in the header X-Request-ID and the log")


class ErrorModel(ResponseModel):
    """The body of every error."""

    error: ErrorDetail
