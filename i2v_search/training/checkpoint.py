"""An unfinished run on disk: safetensors and JSON, never a pickle.

    checkpoint/state.json              where the run stands, and the name of the file with its tensors
    checkpoint/NUMBER.safetensors      weights and the optimizer's state after update NUMBER
    checkpoint/best-EPOCH.safetensors  the weights of the best epoch so far

`state.json` is replaced, atomically, only when the tensors that it names are written: a process killed at any
moment leaves the checkpoint before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from i2v_search.encoders.tensors import map_tensors, write_tensors
from i2v_search.errors import TrainingError
from i2v_search.files import read_regular, write_atomically

STATE = "state.json"
FORMAT = 1
#: Time between two checkpoints, at least.
SECONDS = 300.0
_WEIGHT, _OPTIMIZER = "weight/", "optimizer/"


@dataclass(frozen=True)
class Saved:
    """Content of a checkpoint.

    Attributes:
        state: JSON-ready; where the run stands.
        weights: arrays by name.
        optimizer: arrays by ``PARAMETER/SLOT``, from `i2v_search.training.optimizers.optimizer_tensors`.
    """

    state: dict[str, Any]
    weights: Mapping[str, NDArray[Any]]
    optimizer: Mapping[str, NDArray[Any]]


def save_checkpoint(folder: Path, number: int, saved: Saved) -> None:
    """Replace the checkpoint in a folder.

    Args:
        folder: exists.
        number: number of the update.
        saved: what to keep.
    """
    name = f"{number:09d}.safetensors"
    arrays = {f"{_WEIGHT}{key}": array for key, array in saved.weights.items()}
    arrays |= {f"{_OPTIMIZER}{key}": array for key, array in saved.optimizer.items()}
    write_tensors(folder / name, arrays, {"format": "i2v-search checkpoint"})
    document = {"format": FORMAT, "tensors": name, **saved.state}
    write_atomically(folder / STATE, json.dumps(document, indent=1).encode())
    best = best_file(folder, saved.state.get("best_epoch"))
    for file in folder.glob("*.safetensors"):
        if file.name not in {name, best.name}:
            file.unlink()
    for file in folder.glob(".*.tmp"):
        file.unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> Saved | None:
    """Read the checkpoint in a folder; None if there is none.

    Raises:
        TrainingError: it is damaged, or of another version.
        WeightsError: its tensors are damaged.
    """
    try:
        state = json.loads(read_regular(folder / STATE))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{folder / STATE} cannot be read ({error}); train into another folder"
        ) from error
    if (
        not isinstance(state, dict)
        or state.pop("format", None) != FORMAT
        or not _is_name(state.get("tensors"))
    ):
        raise TrainingError(
            f"{folder / STATE} is not a checkpoint of this version; train into another folder"
        )
    arrays = map_tensors(folder / state.pop("tensors"))
    parts = [
        {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
        for prefix in (_WEIGHT, _OPTIMIZER)
    ]
    return Saved(state, *parts)


def best_file(folder: Path, epoch: int | None) -> Path:
    """Path of the weights of the best epoch."""
    return folder / f"best-{epoch}.safetensors"


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value == Path(value).name and value.endswith(".safetensors")
