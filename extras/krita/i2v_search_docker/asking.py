"""A thread that asks the server, so that painting never waits for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Callable

from i2v_search_docker.server import ServerProblem


@dataclass(frozen=True)
class Answer:
    """What became of a question.

    Attributes:
        found: what the question gave; None where it failed.
        problem: why it failed, for a person; empty where it did not.
    """

    found: Any = None
    problem: str = ""


class Asking:
    """Asks one question at a time; of those that wait only the last is asked.

    Args:
        answered: called on the thread with each answer.
    """

    def __init__(self, answered: Callable[[Answer], None]) -> None:
        self._answered = answered
        self._changed = threading.Condition()
        self._waiting: Callable[[], Any] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="i2v-search", daemon=True)
        self._thread.start()

    def ask(self, question: Callable[[], Any]) -> None:
        """Ask in place of what waits; a `ServerProblem` that it raises is told as such."""
        with self._changed:
            self._waiting = question
            self._changed.notify()

    def close(self) -> None:
        """Ask no more."""
        with self._changed:
            self._closed, self._waiting = True, None
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting is not None)
                question, self._waiting = self._waiting, None
                if question is None:
                    return
            try:
                answer = Answer(question())
            except ServerProblem as problem:
                answer = Answer(problem=str(problem))
            if not self._closed:
                self._answered(answer)
