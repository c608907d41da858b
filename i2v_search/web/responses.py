"""Errors that an address can return, for the OpenAPI document."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from i2v_search.web.guard.failures import CODES
from i2v_search.web.schema import ErrorModel

#: What any request may be answered with.
_ALWAYS = (401, 403, 408, 409, 413, 421, 422, 429, 503)


def errors(*more: int) -> dict[int | str, dict[str, Any]]:
    """The errors of every address, and `more` statuses, for FastAPI."""
    meanings: dict[int, list[str]] = defaultdict(list)
    for code, (status, meaning) in CODES.items():
        meanings[status].append(f"`{code}`: {meaning}")
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*_ALWAYS, *more}):
        found[status] = {"model": ErrorModel, "description": "; ".join(meanings[status])}
        if status in {429, 503}:
            found[status]["headers"] = {
                "Retry-After": {
                    "description": "seconds to wait before the next try",
                    "schema": {"type": "integer"},
                }
            }
    return found


def picture(kind: str, meaning: str) -> dict[str, Any]:
    """A response that is a picture."""
    return {"description": meaning, "content": {kind: {"schema": {"type": "string", "format": "binary"}}}}
