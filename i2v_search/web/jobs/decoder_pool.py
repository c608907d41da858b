"""Decoding of pictures in a separate process, which is terminated if one takes too long."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

from PIL import Image

from i2v_search.errors import ImageError
from i2v_search.images.decoding import DecodedImage
from i2v_search.web.jobs.decoder_process import receive, send

#: Seconds in which a new process must be ready.
_START_SECONDS = 30.0


class Decoder:
    """Decodes with `i2v_search.images.decoding.decode_image` in another process; one caller at a time.

    The process starts with the first picture, and again after it was ended.

    Args:
        seconds: time limit of a picture.
        niceness: how far the process stands behind others, as of ``nice``.
    """

    def __init__(self, seconds: float, niceness: int = 0) -> None:
        self._seconds, self._niceness = seconds, niceness
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Start the process.

        Raises:
            ImageError: it does not start, or the decoder is closed.
        """
        with self._lock:
            self._running()

    def decode(
        self, content: bytes, *, shrink_to: int | None = None, max_pixels: int | None = None
    ) -> DecodedImage:
        """Decode a file's content.

        Raises:
            ImageError: it cannot be decoded, has too many pixels, or takes too long.
        """
        head, pixels = self.ask({"do": "decode", "shrink_to": shrink_to, "max_pixels": max_pixels}, content)
        return DecodedImage(
            Image.frombytes("RGB", tuple(head["size"]), pixels), head["width"], head["height"]
        )

    def ask(self, order: dict[str, Any], content: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Give an order of `opened_picture`, with a file's content.

        Returns:
            Head and pixels of the answer.

        Raises:
            ImageError: as the order says, or it takes too long.
        """
        with self._lock:
            head, pixels = self._ask(self._running(), order, content)
        if "error" in head:
            raise ImageError("the picture", head["error"])
        return head, pixels

    def forget(self) -> None:
        """Let go of the picture that is open, if the process runs."""
        with self._lock, suppress(ImageError):
            if self._process is not None and self._process.poll() is None:
                self._ask(self._process, {"do": "forget"}, b"")

    def close(self) -> None:
        """Terminate the process, even during a picture; it is not started again."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        # A stream is not closed under its reader: who reads from it now sees its end, and closes it.
        if self._lock.acquire(blocking=False):
            try:
                if self._process is not None:
                    self._end(self._process)
            finally:
                self._lock.release()

    def _ask(
        self, process: subprocess.Popen[bytes], order: dict[str, Any], content: bytes
    ) -> tuple[dict[str, Any], bytes]:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
        timer = threading.Timer(self._seconds, process.kill)
        timer.start()
        try:
            send(process.stdin, order, content)
            return receive(process.stdout)
        except (EOFError, OSError) as error:
            self._end(process)
            late = not timer.is_alive() and not self._closed
            reason = f"decoding takes longer than {self._seconds:g} s" if late else "the decoder gave up"
            raise ImageError("the picture", reason) from error
        finally:
            timer.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            if self._process.poll() is None:
                return self._process
            self._end(self._process)
        if self._closed:
            raise ImageError("the picture", "the decoder is closed")
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "i2v_search.web.jobs.decoder_process", f"{self._niceness}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the server, which then ends this process itself
        )
        self._process = process
        if self._closed:  # meanwhile, by a thread that saw no process yet
            self._end(process)
            raise ImageError("the picture", "the decoder is closed")
        timer = threading.Timer(_START_SECONDS, process.kill)
        timer.start()
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe
            receive(process.stdout)
        except (EOFError, OSError) as error:
            self._end(process)
            raise ImageError("the picture", "the decoder does not start") from error
        finally:
            timer.cancel()
        return process

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    # What was still to be written goes nowhere.
                    continue
        process.wait()
