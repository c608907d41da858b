"""Ratings of booru sites, each kept as what it says.

Danbooru and Gelbooru rate *general*, *sensitive*, *questionable* and *explicit* since 2022; before, and on
other sites today, the first two are one, *safe*. The letter ``s`` means *safe* in an older file and
*sensitive* in a newer one: newer files are those with a post that is rated ``g``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: Of the new scheme, then the one of the old that is not in it.
RATINGS: Final = ("general", "sensitive", "questionable", "explicit", "safe")
#: What tells that a file is of the new scheme.
NEW_RATINGS: Final = frozenset(("general", "sensitive"))
#: How a rating is spelled that may be *safe* or *sensitive*.
UNDECIDED: Final = "s"
_SPELLED: Final[Mapping[str, str]] = {
    **{rating: rating for rating in RATINGS},
    **{"g": "general", "q": "questionable", "e": "explicit", UNDECIDED: UNDECIDED},
}


def read_rating(document: Mapping[str, Any]) -> str | None:
    """The rating of a post, or `UNDECIDED`; None if it has none that is known.

    >>> read_rating({"rating": "g"}), read_rating({"rating": "s"}), read_rating({"rating": "R-18"})
    ('general', 's', None)
    >>> read_rating({"rating": "s", "media_asset": {}}), read_rating({"rating": "s", "tags": {}})
    ('sensitive', 'safe')
    """
    given = document.get("rating")
    found = _SPELLED.get(given.strip().lower()) if isinstance(given, str) else None
    if found == UNDECIDED:
        if isinstance(document.get("tags"), dict):  # e621, which has three ratings to this day
            return "safe"
        if "media_asset" in document:  # which Danbooru's API has since 2022
            return "sensitive"
    return found


def settled(rating: str, *, is_new: bool) -> str:
    """A rating where it is known whether its file is of the new scheme.

    >>> settled("s", is_new=True), settled("s", is_new=False), settled("explicit", is_new=True)
    ('sensitive', 'safe', 'explicit')
    """
    if rating != UNDECIDED:
        return rating
    return "sensitive" if is_new else "safe"
