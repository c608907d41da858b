"""Running what might hang."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def in_time(task: Callable[[], Any], seconds: float = 120) -> Any:
    """Run on a thread of its own, so that a task that hangs fails the test instead of stopping it."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((task(), None))
        except BaseException as error:  # noqa: BLE001 - carried to the test's own thread
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert outcome, f"still running after {seconds} s"
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
