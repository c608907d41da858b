"""Pillow without its warnings, on the threads that decode a picture."""

import threading
import types
import warnings
from typing import Any

import PIL.Image
from PIL import IcoImagePlugin, JpegImagePlugin, PngImagePlugin, TgaImagePlugin, TiffImagePlugin


class _Decoding(threading.local):
    depth = 0


_decoding = _Decoding()


class _QuietWarnings(types.ModuleType):
    """Stands in for `warnings` inside Pillow's modules: silent on a thread that is in `decode_image`, the
    real one elsewhere.

    Pillow warns about harmless oddities (a bad EXIF block), and a caller who turns warnings into errors would
    lose a good picture. `warnings.catch_warnings` cannot help: before Python 3.14 it swaps state that all
    threads share.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(warnings, name)

    def warn(
        self, message: Any, category: Any = None, stacklevel: int = 1, *args: Any, **options: Any
    ) -> None:
        if not _decoding.depth:
            warnings.warn(message, category, stacklevel + 1, *args, **options)


class quiet_pillow:  # noqa: N801 - reads as a statement, like contextlib's own
    """Inside this block Pillow warns of nothing on this thread."""

    def __enter__(self) -> None:
        _decoding.depth += 1

    def __exit__(self, *_: object) -> None:
        _decoding.depth -= 1


def _install_quiet_warnings() -> None:
    quiet = _QuietWarnings("warnings")
    for module in (
        PIL.Image,
        IcoImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TgaImagePlugin,
        TiffImagePlugin,
    ):
        if module.__dict__.get("warnings") is warnings:
            module.__dict__["warnings"] = quiet


_install_quiet_warnings()
