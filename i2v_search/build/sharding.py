"""Assignment of images to N shards, so that N machines share one job without communication.

An image belongs to a shard by a hash of its stored path: every machine can tell alone, and an image that is
added or removed changes the shard of no other. The members of a tar archive belong together, because a tar
has to be read from its beginning; those of a zip do not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from i2v_search.errors import QueryError
from i2v_search.images.archives import ARCHIVE_SEPARATOR, archive_extension, is_zip
from i2v_search.store.catalogue import path_key

#: More shards than images would ever need.
MAX_SHARDS: Final = 100_000


@dataclass(frozen=True)
class Shard:
    """One of N shares of the images of a job.

    Each machine builds a collection of its own, of its shard, and `Collection.merge` makes one of them.

    Args:
        number: from 1 to `of`.
        of: how many there are.

    Raises:
        QueryError: the number is not one of 1 to `of`, or `of` is absurd.

    Example:
        >>> shards = [Shard(number, 3) for number in (1, 2, 3)]
        >>> [sum(shard.holds(f"birds/{image}.png") for shard in shards) for image in range(4)]
        [1, 1, 1, 1]
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of <= MAX_SHARDS:
            raise QueryError(
                f"a shard must be I/N with I from 1 to N and N up to {MAX_SHARDS}, such as 2/8, not "
                f"{self.number}/{self.of}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """The shard that ``--shard`` names.

        >>> Shard.parse("2/8")
        Shard(number=2, of=8)
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
        if found is None:
            raise QueryError(f"a shard must be I/N, such as 2/8, not {text!r}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.number}/{self.of}"

    def holds(self, path: str) -> bool:
        """Whether the image with a stored path belongs to the shard.

        >>> Shard(1, 2).holds("a.tar!/1.png") == Shard(1, 2).holds("a.tar!/2.png")
        True
        """
        return int(path_key(unit_of(path))) % self.of == self.number - 1


def unit_of(path: str) -> str:
    """The indivisible part of a stored path: its tar archive, or all of it.

    >>> unit_of("pack/a.tar.gz!/1.png"), unit_of("pack/a.zip!/1.png")
    ('pack/a.tar.gz', 'pack/a.zip!/1.png')
    """
    for separator in re.finditer(re.escape(ARCHIVE_SEPARATOR), path):
        archive = path[: separator.start()]
        if archive_extension(archive) is not None and not is_zip(archive):
            return archive
    return path
