"""Why a picture cannot be decoded: the errors that bad data raises, each as one short line."""

import struct
import zlib
from typing import Final

import PIL.Image
from PIL import ImageCms

# What bad data makes Pillow raise; found by damaging files of every format (tests/images/test_images.py
# continues looking).
DECODE_ERRORS: Final = (
    *(OSError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, SyntaxError, RuntimeError),
    *(MemoryError, AttributeError, AssertionError, BufferError, Warning, struct.error, zlib.error),
    *(PIL.Image.DecompressionBombError, ImageCms.PyCMSError),
)

_REASONS: Final = (
    (PermissionError, "permission denied"),
    (FileNotFoundError, "no such file"),
    (MemoryError, "not enough memory to decode it"),
)


def error_reason(error: BaseException) -> str:
    """The reason of an error in one short line."""
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return " ".join(str(error).split())[:200] or type(error).__name__


def damage_reason(format_name: str, error: BaseException) -> str:
    """The defect of a picture that a decoder gave up on, in one short line."""
    reason = error_reason(error)
    if isinstance(error, MemoryError):
        return reason
    if "unpack" in reason:  # Pillow ran out of bytes in the middle of a number
        return f"truncated: the {format_name} ends inside its header"
    kind = "truncated" if isinstance(error, EOFError) or "truncated" in reason.lower() else "damaged"
    return f"{kind} {format_name}: {reason}"
