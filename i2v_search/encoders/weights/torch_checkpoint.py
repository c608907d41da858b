"""torch's own files of weights, without running anything that is in them.

torch is imported here only when such a file is read; torch 2.x, ``torch.load(weights_only=True)``.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.networks.optional_torch import import_torch
from i2v_search.encoders.weights.npy import ZIP_ERRORS, brief
from i2v_search.errors import WeightsError
from i2v_search.files import open_regular

MAX_PICKLE = 2**22
WRAPPERS = ("state_dict", "model_state_dict", "model")
FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})


def read_torch(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the state dict of a ``.pth``, ``.pt``, ``.ckpt`` or ``.bin`` file.

    Args:
        path: a file of `torch.save`; the state dict may lie under ``state_dict``, ``model_state_dict`` or
            ``model``.

    Returns:
        Read-only float32 arrays by the file's own names; where torch can, views of the mapped file.

    Raises:
        EncoderError: torch is not installed.
        WeightsError: the file is damaged, holds a pickled module or another object, or tensors that are not
            floats.

    Example:
        >>> import tempfile, torch
        >>> file = Path(tempfile.mkdtemp()) / "weights.pth"
        >>> torch.save({"a.bias": torch.ones(2)}, file)
        >>> read_torch(file)
        {'a.bias': array([1., 1.], dtype=float32)}
    """
    try:
        with open_regular(path) as file:
            zipped = zipfile.is_zipfile(file)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from error
    if zipped:
        _check_archive(path)
    torch = import_torch(f"{path}, a file of torch's,")
    try:
        with warnings.catch_warnings():
            # torch warns of any version of pickle but its own before it reads or refuses the file.
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Exception as error:  # its unpickler and its archive reader raise whatever they trip over
        raise _load_error(path, error) from error
    state = _state_dict(loaded, path)
    limit = path.stat().st_size
    return {name: _to_numpy(tensor, limit, f"{path}: tensor {name!r}") for name, tensor in state.items()}


def _check_archive(path: Path) -> None:
    """torch stores its members uncompressed; anything that would expand is no file of torch's."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except ZIP_ERRORS as error:
        raise WeightsError(f"{path}: damaged torch archive ({brief(error)})") from error
    if any("/code/" in member.filename for member in members):
        raise WeightsError(
            f"{path} is a TorchScript program, which would have to be executed; refused. In the program "
            "that made it, save only the weights: torch.save(module.state_dict(), 'weights.pth')"
        )
    size = path.stat().st_size
    if any(member.compress_type for member in members) or sum(member.file_size for member in members) > size:
        raise WeightsError(f"{path}: expected a torch archive without compression")
    pickles = [member for member in members if member.filename.endswith("data.pkl")]
    if len(pickles) != 1 or pickles[0].file_size > MAX_PICKLE:
        raise WeightsError(f"{path}: expected one data.pkl of at most {MAX_PICKLE} bytes in a torch archive")


def _load_error(path: Path, error: Exception) -> WeightsError:
    text = str(error)
    found = re.search(r"\bGLOBAL ([\w.]+)", text)
    if "lobal" in text or "nsupported class" in text:
        name = f" {found[1]}" if found else ""
        return WeightsError(
            f"{path} holds a pickled Python object{name}, not only weights: loading it could execute code "
            "from the file; refused. In the program that made it, save: "
            "torch.save(model.state_dict(), 'weights.pth')"
        )
    return WeightsError(f"{path}: damaged torch file ({brief(error)})")


def _state_dict(loaded: Any, path: Path) -> dict[str, Any]:
    import torch

    while isinstance(loaded, Mapping):
        if any(isinstance(value, torch.Tensor) for value in loaded.values()):
            return {str(name): value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
        inner = [loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), Mapping)]
        if not inner or inner[0] is loaded:
            break
        loaded = inner[0]
    raise WeightsError(
        f"{path} holds {type(loaded).__name__}; expected a state dict, as saved by "
        "torch.save(model.state_dict(), 'weights.pth')"
    )


def _to_numpy(tensor: Any, limit: int, place: str) -> NDArray[np.float32]:
    import torch

    dtype = str(tensor.dtype).removeprefix("torch.")
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or dtype not in FLOATS:
        raise WeightsError(
            f"{place} is {tensor.layout} {dtype} on {tensor.device}; expected floats on the CPU"
        )
    if not 0 < tensor.numel() * tensor.element_size() <= limit:
        raise WeightsError(
            f"{place} has shape {tuple(tensor.shape)}, more than the file of {limit} bytes holds"
        )
    array: NDArray[np.float32] = tensor.detach().to(torch.float32).numpy()
    array.flags.writeable = False
    return array
