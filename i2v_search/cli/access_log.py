"""The access log of the server: JSON lines, in a file that log rotation can move."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from i2v_search.errors import ServerError


class AccessLog(logging.FileHandler):
    """Appends to a file.

    Raises:
        ServerError: it cannot be written.
    """

    def __init__(self, file: Path) -> None:
        try:
            super().__init__(file, encoding="utf-8")
        except OSError as error:
            raise ServerError(f"cannot write the access log {file}: {error.strerror}") from error

    def reopen(self) -> None:
        """Reopen the file of that name, which log rotation may have replaced; keep the old one if that
        fails."""
        try:
            opened = self._open()
        except OSError as error:
            logging.getLogger(__name__).error("cannot reopen the access log: %s", error)
            return
        old = self.setStream(opened)
        if old is not None:
            old.close()


@contextmanager
def log_requests(file: Path | None) -> Iterator[AccessLog | None]:
    """Write one JSON line per request while the context lasts.

    Args:
        file: log file; None or ``-``: standard error.

    Yields:
        What can be opened again.

    Raises:
        ServerError: the file cannot be written.
    """
    log = None if file is None or str(file) == "-" else AccessLog(file)
    handler = log or logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("i2v_search.web.access")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield log
    finally:
        logger.removeHandler(handler)
        handler.close()


def reopen_on_hangup(log: AccessLog) -> None:
    """Reopen the log on SIGHUP, as log rotation asks for; call it while the server's loop runs.

    The terminal that the server was started in sends the signal too, when it is closed: that ends the server,
    as it ends every program that was not started with nohup.
    """
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is None:  # Windows
        return
    ends_with_terminal = _has_terminal() and signal.getsignal(hangup) is not signal.SIG_IGN

    def on_hangup() -> None:
        if ends_with_terminal and not _has_terminal():
            signal.raise_signal(signal.SIGTERM)
        else:
            log.reopen()

    import asyncio  # 50 ms, which every command would pay at the top

    asyncio.get_running_loop().add_signal_handler(hangup, on_hangup)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
