"""torch, which only training, GPUs and torch's own files need: not every installation has it."""

from __future__ import annotations

from typing import Any, Literal

from i2v_search.errors import EncoderError


def import_torch(purpose: str, extra: Literal["torch", "train"] = "torch") -> Any:
    """Import torch.

    Args:
        purpose: what needs it, for the message.
        extra: extra of this package that provides it.

    Raises:
        EncoderError: it is not installed; the message says how to install it.

    Example:
        >>> import_torch("the example").__name__
        'torch'
    """
    try:
        import torch
    except ImportError as error:
        raise EncoderError(f"{purpose} needs torch: pip install 'i2v-search[{extra}]'") from error
    return torch
