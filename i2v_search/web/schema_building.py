"""Models of folders of this computer, builds, other collections, and pictures kept from elsewhere."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from i2v_search.images.computer_folders import LONGEST_KEY
from i2v_search.web.schema import RequestModel, ResponseModel


class ComputerFolder(ResponseModel):
    """A folder of this computer."""

    key: str = Field(description="names it in requests")
    name: str
    kind: Literal["folder", "home", "disk", "computer"] = "folder"


class FolderListing(ResponseModel):
    """What is in a folder."""

    key: str
    path: str = Field(description="whole path, as people read it")
    above: list[ComputerFolder] = Field(description="folders from the top down to the one that it is in")
    folders: list[ComputerFolder]
    more: bool = Field(description="whether there are others, which were not looked at")


class PicturesModel(ResponseModel):
    """Pictures in a folder and below."""

    pictures: int
    complete: bool = Field(description="whether everything was looked at; else there are more")


class BuildRequest(RequestModel):
    """What to build."""

    folder: str | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_KEY,
        description="key of a folder whose pictures to put in; null: those that are in, once more",
    )
    new: bool = Field(default=False, description="put it into a new collection, which is opened")


class WatchRequest(RequestModel):
    """Whether to keep the collection up to date."""

    on: bool


class Unread(ResponseModel):
    """A picture that cannot be read."""

    path: str
    reason: str


class BuildModel(ResponseModel):
    """The build that runs, or the last one."""

    served: str = Field(description="identifies the collection, whether it exists or not")
    collection: bool = Field(description="whether there is a collection")
    images: int = Field(description="images that can be found now")
    number: int = Field(description="counts the builds of this server; 0 for none")
    status: Literal["idle", "building", "done", "stopped", "failed"]
    reason: Literal["person", "watch", "kept"] = Field(
        description="who wanted it; kept: a program saved a picture"
    )
    folders: list[str] = Field(description="names of the folders that it reads")
    stage: str = Field(description="what is done at the moment, in words")
    done: int
    total: int | None = Field(description="null while unknown")
    rate: float | None = Field(description="pictures a second; null while unknown")
    seconds_left: float | None = Field(description="estimate; null while unknown")
    unread: int = Field(description="number of pictures that cannot be read")
    named: list[Unread] = Field(description="some of them, at the end")
    added: int
    removed: int
    watch: Literal["off", "on", "away", "unavailable"] = Field(
        description="whether the folders are watched; away: none of them is there, and nothing is removed"
    )
    problem: Literal["", "no_pictures", "no_access", "disk_full", "away", "locked", "failed"]


class KnownModel(ResponseModel):
    """A collection that was opened before."""

    key: str = Field(description="names it in requests")
    name: str
    path: str = Field(description="its directory")
    there: bool = Field(description="whether it still exists")
    current: bool = Field(description="whether it is the one that is served")


class OpenRequest(RequestModel):
    """A collection to open."""

    key: str = Field(pattern=r"^[0-9a-f]{20}$", examples=["9f86d081884c7d659a2f"])


class AppModel(ResponseModel):
    """What connects a program of this computer."""

    token: str = Field(description="what it sends as Authorization: Bearer")


class KeptPlace(ResponseModel):
    """Where pictures are kept."""

    collection: str = Field(description="name of the collection that is served")
    images: int
    folder: str = Field(description="name of the folder, in the first folder of the collection")


class KeptModel(ResponseModel):
    """A picture that was kept."""

    path: str = Field(description="folder and name of the file", examples=["kept/owl.png"])
    id: int | None = Field(description="id in the collection; null for a new one, which is put in soon")
    new: bool = Field(description="whether it was saved; else the collection has the same file")
