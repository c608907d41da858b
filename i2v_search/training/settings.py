"""Settings of training: every choice that changes the result, in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, cast

from i2v_search.arguments import plain_numbers
from i2v_search.choices import TrainingCriterion, TrainingModel, TrainingOptimizer
from i2v_search.errors import TrainingError
from i2v_search.escapes import JsonReady
from i2v_search.training.augment import Augmentation


@dataclass(frozen=True)
class TrainingSettings(JsonReady):
    """Settings of a training run; the same settings, data and machine give the same weights.

    Attributes:
        model: the network.
        frozen: train the head of ``lite`` only, on features of its trunk computed once.
        copies: for a frozen trunk, augmented copies of each image whose features are computed; 0 uses the
            image as it is.
        epochs: skips the training images, at most.
        batch_size: images of a forward pass.
        accumulate: forward passes of an update.
        optimizer: AdamW, or SGD with momentum 0.9 (Nesterov).
        learning_rate: highest, of layers that start from scratch.
        pretrained_rate: what layers that start from given weights learn with, as a share of `learning_rate`.
        weight_decay: weight decay of weights; biases have none.
        warmup: updates in which the learning rate rises, as a share of all; then it falls with the cosine.
        warmup_updates: or this many of them, where that is more, at most half of all: a network from scratch
            on a small set needs some hundred.
        clip: largest norm of a gradient; 0 leaves it.
        positive_weight: from 0, every tag of an image counts the same, to 1, a tag's positives weigh as much
            as its negatives: weight (negatives / positives) ** positive_weight.
        negative_focus: how much less a tag that is absent counts the surer the network is of that: the
            exponent gamma of the asymmetric loss (Ridnik et al. 2021), usually 4; 0 is the plain
            cross-entropy.
        negative_margin: probability up to which an absent tag does not count at all, usually 0.05.
        average: from 0, none, to below 1: weights are averaged over the updates with this decay, usually
            0.9997; the averaged ones are validated and kept.
        validation: share of the images that is never trained on.
        minimum: images that a tag needs to be learned.
        max_tags: the most tags that are learned, the frequent ones; 0 for no limit.
        compare: open every image to keep copies and variants on one side of the split; without it only
            groups are kept together.
        criterion: what tells the best epoch.
        patience: epochs without a better one after which training stops; 0 never stops early.
        seed: seed of weights, split, order, augmentation and dropout.
        augmentation: augmentation of the training images.

    Example:
        >>> TrainingSettings(model="lite", frozen=True, epochs=10).learning_rate
        0.001
    """

    model: TrainingModel = "lite"
    frozen: bool = False
    copies: int = 4
    epochs: int = 20
    batch_size: int = 32
    accumulate: int = 1
    optimizer: TrainingOptimizer = "adamw"
    learning_rate: float = 1e-3
    pretrained_rate: float = 0.1
    weight_decay: float = 1e-2
    warmup: float = 0.05
    warmup_updates: int = 0
    clip: float = 1.0
    positive_weight: float = 0.0
    negative_focus: float = 0.0
    negative_margin: float = 0.0
    average: float = 0.0
    validation: float = 0.1
    minimum: int = 20
    max_tags: int = 0
    compare: bool = True
    criterion: TrainingCriterion = "map"
    patience: int = 5
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        plain_numbers(self)
        for name, low, high in (
            ("copies", 0, 1000),
            ("epochs", 1, 1_000_000),
            ("batch_size", 1, 65_536),
            ("accumulate", 1, 65_536),
            ("learning_rate", 1e-12, 1e3),
            ("pretrained_rate", 0, 1),
            ("weight_decay", 0, 1e3),
            ("warmup", 0, 1),
            ("warmup_updates", 0, 1_000_000_000),
            ("negative_focus", 0, 16),
            ("negative_margin", 0, 0.5),
            ("average", 0, 0.999999),
            ("max_tags", 0, 1_000_000_000),
            ("clip", 0, 1e9),
            ("positive_weight", 0, 1),
            ("validation", 0, 0.9),
            ("minimum", 1, 1_000_000_000),
            ("patience", 0, 1_000_000),
            ("seed", 0, 2**63 - 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise TrainingError(f"{name} is {value}; it must be from {low:g} to {high:g}")
        if self.frozen and self.model != "lite":
            raise TrainingError(f"only model lite supports a frozen trunk, not {self.model}")

    def continuing(self, other: dict[str, Any]) -> Self:
        """These settings for a run that was begun with others, with as many images for each update.

        A smaller batch, for less memory, gets more batches for each update.

        Raises:
            TrainingError: the images of an update cannot be divided so.

        Example:
            >>> halved = TrainingSettings(batch_size=16).continuing({"batch_size": 32, "accumulate": 1})
            >>> halved.batch_size, halved.accumulate
            (16, 2)
        """
        before = [other.get(name) for name in ("batch_size", "accumulate")]
        if not all(isinstance(value, int) for value in before):
            return self
        images = math.prod(cast(list[int], before))
        if self.batch_size * self.accumulate == images:
            return self
        if images % self.batch_size:
            raise TrainingError(
                f"the run was begun with {images} images for each update; give a batch size that divides it, "
                f"not {self.batch_size}"
            )
        return replace(self, accumulate=images // self.batch_size)

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Settings that differ from a `to_dict` that went through JSON, but for the size of a batch."""
        ours = self.to_dict()
        return [
            f"{field.name} {ours[field.name]!r} instead of {other.get(field.name)!r}"
            for field in fields(self)
            if field.name not in {"batch_size", "accumulate"}
            and _plain(ours[field.name]) != _plain(other.get(field.name))
        ]


def _plain(value: Any) -> Any:
    """The value as JSON gives it back."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value
