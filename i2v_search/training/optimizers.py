"""Optimizer with its state, its learning rate, and the random numbers of an update."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from i2v_search.training.networks import TrainingNetwork
from i2v_search.training.settings import TrainingSettings

MOMENTUM = 0.9


def make_optimizer(
    network: TrainingNetwork, settings: TrainingSettings, fresh: frozenset[str]
) -> torch.optim.Optimizer:
    """AdamW or SGD, with groups of their own for biases and for layers that start from given weights."""
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        layer, _, part = name.rpartition(".")
        groups.setdefault((layer in fresh, part == "bias"), []).append(parameter)
    described = []
    for (is_fresh, is_bias), parameters in groups.items():
        highest = settings.learning_rate * (1 if is_fresh else settings.pretrained_rate)
        decay = 0.0 if is_bias else settings.weight_decay
        described.append({"params": parameters, "lr": highest, "highest": highest, "weight_decay": decay})
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(described)
    return torch.optim.SGD(described, momentum=MOMENTUM, nesterov=True)


def schedule(update: int, updates: int, warmup: float, at_least: int = 0) -> float:
    """The learning rate of an update as a share of the highest: it rises evenly, then falls with the cosine.

    Args:
        update: from 0.
        updates: updates of the whole run.
        warmup: share of them in which it rises.
        at_least: updates in which it rises where that is more, but never more than half of all.

    Example:
        >>> [round(schedule(update, 10, 0.2), 3) for update in (0, 1, 2, 6, 9)]
        [0.5, 1.0, 1.0, 0.5, 0.038]
    """
    rising = max(round(updates * warmup), min(at_least, updates // 2))
    if update < rising:
        return (update + 1) / rising
    return (1 + math.cos(math.pi * (update - rising) / max(updates - rising, 1))) / 2


def seed_of(seed: int, update: int) -> int:
    """The seed of what one update drops out."""
    return int(np.random.SeedSequence((seed, update)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, names: Mapping[torch.nn.Parameter, str]
) -> dict[str, NDArray[Any]]:
    """The optimizer's state as arrays named ``PARAMETER/SLOT``.

    Args:
        optimizer: any whose state is tensors.
        names: names of its parameters.
    """
    return {
        f"{name}/{slot}": value.detach().cpu().numpy()
        for parameter, name in names.items()
        for slot, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, torch.Tensor)
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    names: Mapping[torch.nn.Parameter, str],
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    """Give an optimizer the state of `optimizer_tensors`."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for place, parameter in enumerate(parameters):
        prefix = f"{names[parameter]}/"
        slots = {
            key.removeprefix(prefix): _laid_out(array, parameter)
            for key, array in arrays.items()
            if key.startswith(prefix)
        }
        if slots:
            state[place] = slots
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _laid_out(array: NDArray[Any], parameter: torch.nn.Parameter) -> torch.Tensor:
    """The array as a tensor, in the parameter's memory format where it has its shape: sums depend on it."""
    tensor = torch.from_numpy(np.array(array))
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
