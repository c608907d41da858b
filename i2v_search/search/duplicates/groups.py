"""Groups of duplicates, and the image of each to keep.

`i2v_search.search.duplicates.comparing` finds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from i2v_search.choices import DuplicateKind
from i2v_search.escapes import JsonReady, printable
from i2v_search.images.documents import is_document
from i2v_search.images.sources import Skipped


@dataclass(frozen=True)
class Duplicate(JsonReady):
    """An image of a group of duplicates.

    Attributes:
        id: id of the image.
        path: path relative to the image root of the collection.
        kind: kind of duplicate of the best of its group; None for the best itself.
        score: cosine of its vector and that of the best.
        width: pixels as displayed.
        height: pixels as displayed.
        bytes: size of the file.
        in_archive: whether it is a member of an archive, which cannot be removed alone.

    Example:
        >>> from i2v_search import Collection
        >>> best, copy = Collection.open("index/art").duplicates().groups[0].members
        >>> best.path, copy.path, copy.kind
        ('fruit/apple-copy.webp', 'fruit/apple.webp', 'exact')
    """

    id: int
    path: str
    kind: DuplicateKind | None
    score: float
    width: int
    height: int
    bytes: int
    in_archive: bool = False


@dataclass(frozen=True)
class DuplicateGroup:
    """Images that are the same picture, or variants of one.

    Attributes:
        kind: loosest kind of duplicate in the group.
        members: the best, which is to be kept (most pixels, then largest file, then oldest id), and its
            copies: exact ones, those of equal pixels, near ones by descending score; then variants.

    Example:
        >>> from i2v_search import Collection
        >>> group = Collection.open("index/art").duplicates().groups[0]
        >>> group.kind, group.best.path, group.freed_bytes
        ('exact', 'fruit/apple-copy.webp', 7834)
    """

    kind: DuplicateKind
    members: tuple[Duplicate, ...]

    @property
    def best(self) -> Duplicate:
        """The one to keep."""
        return self.members[0]

    @property
    def copies(self) -> tuple[Duplicate, ...]:
        """All others, including variants."""
        return self.members[1:]

    @property
    def removable(self) -> tuple[Duplicate, ...]:
        """The copies that are separate files; no variants, and no documents, which have layers."""
        return tuple(
            copy
            for copy in self.copies
            if not copy.in_archive and copy.kind != "variants" and not is_document(copy.path)
        )

    @property
    def freed_bytes(self) -> int:
        """Bytes that removing them would free."""
        return sum(copy.bytes for copy in self.removable)

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return {
            "kind": self.kind,
            "freed_bytes": self.freed_bytes,
            "members": [member.to_dict() for member in self.members],
        }


@dataclass(frozen=True)
class Duplicates:
    """Result of `find_duplicates`.

    Attributes:
        groups: groups by descending freed bytes, then by the id of their best; no image is in two groups.
        unreadable: files that are missing, changed or damaged and therefore in no group.
        seconds: computation time.

    Example:
        >>> from i2v_search import Collection
        >>> found = Collection.open("index/art").duplicates(kind="exact")
        >>> [[member.path for member in group.members] for group in found.groups]
        [['fruit/apple-copy.webp', 'fruit/apple.webp']]
    """

    groups: tuple[DuplicateGroup, ...]
    unreadable: tuple[Skipped, ...]
    seconds: float

    @property
    def freed_bytes(self) -> int:
        """Bytes that removing all copies that are separate files would free."""
        return sum(group.freed_bytes for group in self.groups)

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return {
            "groups": [group.to_dict() for group in self.groups],
            "freed_bytes": self.freed_bytes,
            "unreadable": [
                {"path": printable(skipped.path), "reason": skipped.reason} for skipped in self.unreadable
            ],
            "seconds": self.seconds,
        }


def size_text(size: int) -> str:
    """A number of bytes for people.

    >>> size_text(0), size_text(1_530), size_text(2_400_000), size_text(3_000_000_000)
    ('0 B', '1.5 kB', '2.4 MB', '3.0 GB')
    """
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size} B"
