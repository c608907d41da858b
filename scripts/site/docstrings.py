"""Our docstrings call `Example` what Griffe calls `Examples`, a section of code; else it reads text."""

from __future__ import annotations

import re
from typing import Any

import griffe

_TITLE = re.compile(r"^([ ]*)Example:$", re.MULTILINE)


class Examples(griffe.Extension):  # type: ignore[misc]
    """Renames the section while the package is read."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """See `griffe.Extension.on_object`."""
        if obj.docstring is not None:
            obj.docstring.value = _TITLE.sub(r"\1Examples:", obj.docstring.value)
