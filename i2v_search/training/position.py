"""Position of a run, and the results of its epochs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """Results of an epoch.

    Attributes:
        number: from 1.
        training_loss: mean over the known entries, while it learned.
        validation_loss: after it; None without validation images.
        validation_map: mean average precision over the tags that validation images have; None without any.
        seconds: it took, without validation.
        images: it trained on.
        learning_rate: learning rate of its last update.
    """

    number: int
    training_loss: float
    validation_loss: float | None
    validation_map: float | None
    seconds: float
    images: int
    learning_rate: float

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values, and images per second."""
        return {**asdict(self), "images_per_second": self.images / max(self.seconds, 1e-9)}


@dataclass
class Position:
    """Position of a run.

    Attributes:
        epoch: epoch of the next update, from 0.
        step: step of the next update in its epoch.
        update: updates made.
        loss: sum over the known entries of this epoch.
        known: number of them.
        images: trained on in this epoch.
        seconds: spent on this epoch.
        best_epoch: number of the best epoch so far.
        best: its value; lower is better.
        epochs: those that are over.
        finished: whether training is over: ``"epochs"``, ``"early"`` or ``""``.
        skipped: why rows gave nothing.
        scaler: state of float16's loss scaling.
    """

    epoch: int = 0
    step: int = 0
    update: int = 0
    loss: float = 0.0
    known: int = 0
    images: int = 0
    seconds: float = 0.0
    best_epoch: int | None = None
    best: float = math.inf
    epochs: list[dict[str, Any]] = field(default_factory=list)
    finished: str = ""
    skipped: dict[str, str] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)
