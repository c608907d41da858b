"""Options and report of a build: one object each, from the command line to the workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self, TypedDict

from i2v_search.arguments import require_known, several
from i2v_search.build.extract import Extraction
from i2v_search.build.upkeep.merging import Merge
from i2v_search.choices import Device, DeviceName, SimilarityName
from i2v_search.encoders.base import Encoder
from i2v_search.escapes import JsonReady
from i2v_search.index.planner import IndexOptions, IndexPlan


class BuildShortcuts(TypedDict, total=False):
    """The attributes of `BuildOptions` as keywords."""

    encoder: str | Encoder | None
    similarity: SimilarityName | None
    tagger: str | None
    device: Device | DeviceName
    index: IndexOptions | None
    strict: bool
    exclude: Sequence[str]
    forget_removals: bool
    sketches: bool | None
    details: bool | None


@dataclass(frozen=True)
class BuildOptions:
    """Options of a build; None keeps the value of an existing collection.

    Attributes:
        encoder: name or object; None takes ``"lite"`` for a new collection.
        similarity: how vectors are compared; None takes the encoder's own for a new collection,
            ``"standardised"`` for ``"lite"``, else ``"centred"`` where it states none.
        tagger: name of an imported tagger whose tags are stored.
        device: where and how they run.
        index: what is asked of the index.
        strict: raise on the first image that cannot be read.
        exclude: patterns to exclude from folders and archives, as in a ``.gitignore``; an image of the
            collection that they match leaves it. ``.i2vignore`` files in folders say the same.
        forget_removals: let every image in that was removed before.
        sketches: keep a second vector of each image, of its rendered lines, so that drawings find pictures in
            colour better. Extraction takes twice as long, a collection 0.3 kB more for each image. False
            deletes them.
        details: keep vectors of seven parts of each image, so that a cut-out part finds its image and its
            place there. Extraction takes five to eight times as long, a collection 2 kB more for each image.
            False deletes them.

    Example:
        >>> BuildOptions(encoder="lite0", device="cpu", exclude="*.gif").exclude
        ('*.gif',)
    """

    encoder: str | Encoder | None = None
    similarity: SimilarityName | None = None
    tagger: str | None = None
    device: Device | DeviceName = Device()
    index: IndexOptions | None = None
    strict: bool = False
    exclude: Sequence[str] = ()
    forget_removals: bool = False
    sketches: bool | None = None
    details: bool | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "device", Device.of(self.device))
        object.__setattr__(self, "exclude", tuple(several(self.exclude)))

    @classmethod
    def of(cls, options: Self | None, shortcuts: BuildShortcuts) -> Self:
        """Options, changed by keywords.

        Raises:
            TypeError: there is none of that name.
        """
        require_known(shortcuts, (field.name for field in fields(cls)))
        return replace(options or cls(), **shortcuts)


@dataclass(frozen=True)
class BuildReport(JsonReady):
    """Result of the last change of a collection: `Collection.report`.

    Attributes:
        extraction: what became of the images; None after a merge, or where only the index was built.
        merge: what became of the images of other collections; None but for a merge.
        plan: of the index; None if it was left as it is.

    Example:
        >>> from i2v_search import Collection
        >>> report = Collection.build("index/art", ["art"]).report
        >>> report.extraction.encoded, report.plan.kind
        (0, 'exact')
    """

    extraction: Extraction | None = None
    merge: Merge | None = None
    plan: IndexPlan | None = None
