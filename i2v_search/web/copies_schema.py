"""Request and response models of copies: their groups, the search for them, and the trash."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from i2v_search.choices import DuplicateKind
from i2v_search.web.schema import ImageId, RequestModel, ResponseModel, Version

#: Files that are moved to the trash at once.
MOST_TRASHED = 1000


class CopyModel(ResponseModel):
    """An image of a group of copies."""

    id: ImageId
    path: str
    width: int
    height: int
    bytes: int
    modified: datetime = Field(description="of the file, as of the build")
    version: Version
    kind: DuplicateKind | None = Field(
        description="exact: the same file as the best; near: the same picture; null: it is the best"
    )
    score: float = Field(description="cosine of its vector and that of the best")
    in_archive: bool = Field(description="whether it is a member of an archive, which stays as it is")
    is_link: bool = Field(description="whether a link leads to its file, which may be that of another one")
    removable: bool = Field(
        description="whether it can go where a copy stays: a file of its own, no document with layers"
    )


class CopyGroupModel(ResponseModel):
    """Images that are the same picture, the best first."""

    members: list[CopyModel]


class CopiesModel(ResponseModel):
    """Groups of copies, those whose copies take most bytes first."""

    groups: list[CopyGroupModel]
    offset: int = Field(description="number of groups before these")
    total: int = Field(description="number of groups")
    copies: int = Field(description="number of images that are copies of a better one")
    bytes: int = Field(description="size of their files")
    looked: datetime | None = Field(
        description="when the pictures were last looked at; null: only equal files are known"
    )
    trash: Literal["ready", "missing", "off"] = Field(
        description="whether files can go to the trash: missing: it needs the extra trash; off: never here"
    )


class CopySearchModel(ResponseModel):
    """The search for copies that runs, or the last one."""

    status: Literal["idle", "running", "done", "stopped", "failed"]
    done: int
    total: int | None = Field(description="null while unknown")
    unread: int = Field(description="files that could not be read, at the end")


class TrashRequest(RequestModel):
    """Images whose files are moved to the trash."""

    ids: Annotated[list[ImageId], Field(min_length=1, max_length=MOST_TRASHED, examples=[[1, 3]])]
    last: bool = Field(default=False, description="also where no copy of an image is left")


class KeptFile(ResponseModel):
    """A file that was left where it is."""

    path: str
    reason: str


class TrashedModel(ResponseModel):
    """What was moved to the trash."""

    key: str = Field(description="names it in an undo; empty where there is none")
    ids: list[ImageId] = Field(description="images that are gone from the collection")
    kept: list[KeptFile]
    last: list[ImageId] = Field(description="images of which no copy would be left: ask again with last")


class UndoRequest(RequestModel):
    """A move to the trash to be undone."""

    key: str = Field(pattern=r"^[0-9a-f]{32}$", examples=["0" * 32])


class RestoredModel(ResponseModel):
    """What came back from the trash."""

    ids: list[ImageId] = Field(description="images that the collection holds again")
    unlisted: list[str] = Field(description="paths of files that are back, and that the next build adds")
    kept: list[KeptFile]
