"""Where a `Network` runs: ONNX Runtime on the CPU, torch on a GPU.

ONNX Runtime is 1.6 to 3 times as fast as torch eager on CPU for these networks, and starts without importing
torch: the serialized graph is kept in the user's cache directory under the hash of the weights and of the
network's description.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from i2v_search.choices import Device
from i2v_search.encoders.network import Network, Weights, onnx_model, torch_module
from i2v_search.errors import EncoderError
from i2v_search.files import file_sha256, write_atomically


class Runtime(Protocol):
    """Runs one network."""

    def run(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """(n, 3, size, size) float32 -> one array per output of the network, first axis n."""
        ...


def open_runtime(
    network: Network,
    read_weights: Callable[[], Weights],
    *,
    key: str,
    device: Device = "auto",
    threads: int | None = None,
) -> Runtime:
    """Choose an engine and load the network into it.

    Args:
        network: the layers.
        read_weights: called only where the graph is not in the cache.
        key: SHA-256 of the weights; names the cache entry.
        device: see `i2v_search.load_encoder`.
        threads: CPU threads of the forward pass; None takes every core.

    Raises:
        EncoderError: the device is not there.
    """
    resolved = resolve_device(device)
    if resolved == "cpu":
        return OnnxRuntime(_cached_model(network, read_weights, key), threads=threads)
    return TorchRuntime(network, read_weights(), resolved)


def resolve_device(device: Device) -> Literal["cpu", "cuda", "mps"]:
    """Turn ``"auto"`` into a device and check that a named one exists.

    Raises:
        EncoderError: torch does not see the device.
    """
    if device == "cpu" or (device == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch

    available: dict[str, bool] = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return "cuda" if available["cuda"] else "mps" if available["mps"] else "cpu"
    if not available.get(device):
        raise EncoderError(
            f"device {device!r} is not available to torch {torch.__version__}; use --device cpu"
        )
    return device


def _may_have_gpu() -> bool:
    """Cheap signs of a GPU, so that a machine without one never pays for importing torch."""
    nvidia = Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists() or os.name == "nt"
    return nvidia or os.uname().sysname == "Darwin"


class OnnxRuntime:
    """ONNX Runtime on the CPU."""

    def __init__(self, model: bytes | Path, *, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads or 0
        # Threads that spin while they wait would take the cores from the decoders.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        source = model if isinstance(model, bytes) else os.fspath(model)
        self._session: Any = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    def run(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Runtime.run`."""
        return tuple(self._session.run(None, {"image": images}))


class TorchRuntime:
    """torch on a GPU (or on the CPU, as the oracle of the tests), channels last, float32."""

    def __init__(self, network: Network, weights: Weights, device: str) -> None:
        import torch

        self._torch = torch
        self._device = device
        module: Any = torch_module(network, weights)
        self._module: Any = module.to(device, memory_format=torch.channels_last)

    def run(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Runtime.run`."""
        torch = self._torch
        with torch.inference_mode():
            tensor = torch.from_numpy(images).to(self._device, memory_format=torch.channels_last)
            return tuple(output.float().cpu().numpy() for output in self._module(tensor))


def _cached_model(network: Network, read_weights: Callable[[], Weights], key: str) -> bytes | Path:
    """The serialized graph: from the cache, or built and put there where the cache can be written."""
    description = hashlib.sha256(repr(network).encode()).hexdigest()
    directory = user_cache_path("i2v-search")
    prefix = f"{network.name}-{key[:16]}-{description[:16]}"
    # The name ends in the hash of the content: a file that was cut or changed is built again.
    for path in directory.glob(f"{prefix}-*.onnx"):
        with suppress(OSError):
            if path.name == f"{prefix}-{file_sha256(path)[:16]}.onnx":
                return path
    model = onnx_model(network, read_weights())
    path = directory / f"{prefix}-{hashlib.sha256(model).hexdigest()[:16]}.onnx"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, model)
    except OSError:
        return model
    return path
