"""When a canvas is searched for again: after a few strokes, not during one, and not for what was sent."""

from __future__ import annotations

from typing import Hashable


class Pacing:
    """Says when what is on the canvas is worth a search.

    Args:
        quiet: seconds without a change after which it is.
        longest: seconds of painting without a pause after which it is, too.
    """

    def __init__(self, quiet: float = 1.2, longest: float = 8.0) -> None:
        self._quiet, self._longest = quiet, longest
        self._sent: Hashable = None
        self._seen: Hashable = None
        self._changed_at = self._began_at = 0.0

    def is_due(self, canvas: Hashable, now: float) -> bool:
        """Whether to search now.

        Args:
            canvas: identifies what is on the canvas.
            now: seconds of a clock that only goes forward.
        """
        if canvas != self._seen:
            if self._seen == self._sent:
                self._began_at = now
            self._seen, self._changed_at = canvas, now
        if canvas == self._sent:
            return False
        if now - self._changed_at < self._quiet and now - self._began_at < self._longest:
            return False
        self._sent = canvas
        return True

    def forget(self) -> None:
        """Search again for what is there, whether it was sent or not."""
        self._sent = self._seen = None
