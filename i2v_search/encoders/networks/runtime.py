"""Runs a `Network`: ONNX Runtime on the CPU, torch on a GPU.

ONNX Runtime is 1.6 to 3 times as fast as torch eager on CPU for these networks, and starts without importing
torch: the graph and its weights are kept in the user's cache directory under the hash of the weights and of
the network's description.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from i2v_search.choices import Device, DeviceName, Precision
from i2v_search.encoders.networks.layers import ExternalWeights, Network, Weights, onnx_model
from i2v_search.encoders.networks.optional_torch import import_torch
from i2v_search.encoders.tensors import tensor_offsets, write_tensors
from i2v_search.errors import EncoderError
from i2v_search.files import file_sha256

GRAPH, WEIGHTS = "model.onnx", "weights.safetensors"
BATCHES = (8, 16, 32, 64, 128, 256, 512)


class Runtime(Protocol):
    """Runs one network."""

    def run(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """(n, 3, size, size) float32 -> one array per output of the network, first axis n."""
        ...

    def best_batch(self, usual: int) -> int:
        """The fastest batch size; `usual` if measuring brings nothing."""
        ...


def open_runtime(
    network: Network,
    read_weights: Callable[[], Weights],
    *,
    key: str | None,
    device: Device,
    by_image: bool = False,
) -> Runtime:
    """Choose a runtime and load the network into it.

    Args:
        network: the layers.
        read_weights: called only where the graph is not in the cache.
        key: SHA-256 of the weights; names the cache entry. None keeps the graph in memory alone.
        device: where and how it runs.
        by_image: see `OnnxRuntime`.

    Raises:
        EncoderError: the device is not there.
    """
    place = resolve_device(device.name)
    if place == "cpu":
        graph = _cached_graph(network, read_weights, key) if key else onnx_model(network, read_weights())
        return OnnxRuntime(graph, threads=device.threads, by_image=by_image)
    return TorchRuntime(network, read_weights(), place, device)


def resolve_device(device: DeviceName) -> Literal["cpu", "cuda", "mps"]:
    """Turn ``"auto"`` into a device and check that a named one exists.

    Raises:
        EncoderError: torch does not see the device, or is not installed.
    """
    if device == "cpu" or (device == "auto" and not _may_have_gpu()):
        return "cpu"
    try:
        torch = import_torch(f"device {device!r}")
    except EncoderError:
        if device == "auto":
            return "cpu"
        raise
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
    return nvidia or sys.platform == "darwin"


def onnx_session(model: bytes | Path, *, threads: int | None = None) -> Any:
    """An ONNX Runtime session on the CPU.

    Raises:
        EncoderError: the model cannot be loaded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    # Threads that spin while they wait would take the cores from the decoders.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else os.fspath(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if _of_onnxruntime(error):
            raise EncoderError(f"ONNX Runtime cannot load the model: {_one_line(error)}") from error
        raise


def run_session(
    session: Any, outputs: Sequence[str] | None, feed: Mapping[str, NDArray[Any]]
) -> list[NDArray[Any]]:
    """Run a session; None gives all outputs.

    Raises:
        EncoderError: the model fails.
    """
    try:
        found: list[NDArray[Any]] = session.run(outputs, feed)
    except Exception as error:
        if _of_onnxruntime(error):
            raise EncoderError(f"ONNX Runtime cannot run the model: {_one_line(error)}") from error
        raise
    return found


def _of_onnxruntime(error: Exception) -> bool:
    """Its errors share no base class but Exception."""
    return type(error).__module__.startswith("onnxruntime")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:400]


class OnnxRuntime:
    """ONNX Runtime on the CPU.

    Args:
        model: the serialized graph or its file.
        threads: how many work; None takes every core.
        by_image: give each thread images of its own instead of sharing every layer of a batch among them. A
            small network gains a fifth, because its threads no longer wait for each other where decoders take
            a core away; a large one would read its weights for every image.
    """

    def __init__(self, model: bytes | Path, *, threads: int | None = None, by_image: bool = False) -> None:
        self._session = onnx_session(model, threads=1 if by_image else threads)
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, "encode") if by_image else None

    def run(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Runtime.run`."""
        if self._pool is None or len(images) == 1:
            return self._run(images)
        outputs = self._pool.map(self._run, np.split(images, len(images)))
        return tuple(np.concatenate(columns) for columns in zip(*outputs, strict=True))

    def best_batch(self, usual: int) -> int:
        """See `Runtime.best_batch`: on a CPU throughput hardly depends on it."""
        return usual

    def _run(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        return tuple(run_session(self._session, None, {"image": images}))


class TorchRuntime:
    """torch on a GPU, or on the CPU as the oracle of the tests; channels last, in the given precision."""

    def __init__(self, network: Network, weights: Weights, place: str, device: Device = Device()) -> None:
        import torch

        self._torch = torch
        self._device = place
        self._size = network.size
        self._dtype = torch_dtype(place, device.precision)
        from i2v_search.encoders.networks.torch_network import torch_module

        module: Any = torch_module(network, weights)
        module = module.to(place, memory_format=torch.channels_last)
        self._module: Any = torch.compile(module) if device.compile else module

    def run(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Runtime.run`."""
        torch = self._torch
        lower = self._dtype is not None
        with torch.inference_mode(), torch.autocast(self._device, dtype=self._dtype, enabled=lower):
            tensor = torch.from_numpy(images).to(self._device, memory_format=torch.channels_last)
            return tuple(output.float().cpu().numpy() for output in self._module(tensor))

    def best_batch(self, usual: int) -> int:
        """See `Runtime.best_batch`: measured on a GPU."""
        if self._device == "cpu":
            return usual
        shape = (3, self._size, self._size)
        return fastest_batch(lambda size: self.run(np.zeros((size, *shape), np.float32)))


def fastest_batch(
    run: Callable[[int], object],
    sizes: Sequence[int] = BATCHES,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """The batch size from which on a larger one gains less than a twentieth, or does not fit the memory.

    Args:
        run: runs a batch of a size; raises `RuntimeError` where it does not fit, as torch does.
        sizes: to try, ascending; the first must fit.
        clock: in seconds.

    Example:
        >>> times = iter([0, 1, 0, 1, 0, 2])  # seconds a batch: 8 in 1, 16 in 1, 32 in 2
        >>> fastest_batch(lambda size: None, (8, 16, 32), clock=lambda: next(times))
        16
    """
    best, rate = sizes[0], 0.0
    for size in sizes:
        try:
            run(size)
            started = clock()
            run(size)
            reached = size / max(clock() - started, 1e-9)
        except RuntimeError:
            break
        if reached < 1.05 * rate:
            break
        best, rate = size, reached
    return best


def torch_dtype(device: str, precision: Precision) -> Any:
    """The lower precision to compute in, None for float32."""
    import torch

    if precision == "auto":
        return torch.bfloat16 if device == "cuda" and torch.cuda.is_bf16_supported() else None
    return {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]


def write_graph(folder: Path, network: Network, weights: Weights) -> Path:
    """Write a network as a graph that refers to a file of weights beside it, which is mapped, not copied.

    Returns:
        The graph's path.
    """
    write_tensors(folder / WEIGHTS, weights, {"format": "i2v-search", "network": network.name})
    offsets = {name: offset for name, (offset, _) in tensor_offsets(folder / WEIGHTS).items()}
    graph = folder / GRAPH
    graph.write_bytes(onnx_model(network, weights, ExternalWeights(WEIGHTS, offsets)))
    return graph


def _cached_graph(network: Network, read_weights: Callable[[], Weights], key: str) -> bytes | Path:
    """The graph: from the user's cache, or made and put there where the cache can be written."""
    description = hashlib.sha256(repr(network).encode()).hexdigest()
    cache = user_cache_path("i2v-search")
    prefix = f"{network.name}-{key[:16]}-{description[:16]}"
    # The folder's name ends in the hash of the weights: one that was cut or changed is made again.
    for folder in cache.glob(f"{prefix}-*"):
        if _is_whole(folder):
            return folder / GRAPH
    weights = {name: values for name, values in read_weights().items() if name in network.parameter_names()}
    temporary = cache / f".{prefix}.{os.getpid()}.tmp"
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        write_graph(temporary, network, weights)
        folder = cache / f"{prefix}-{_graph_hash(temporary)}"
        try:
            temporary.rename(folder)
        except OSError:
            # It is there: damaged, or another process was first.
            if not _is_whole(folder):
                shutil.rmtree(folder)
                temporary.rename(folder)
    except OSError:
        return onnx_model(network, weights)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder / GRAPH


def _is_whole(folder: Path) -> bool:
    with suppress(OSError):
        return folder.name.endswith(f"-{_graph_hash(folder)}")
    return False


def _graph_hash(folder: Path) -> str:
    both = file_sha256(folder / GRAPH) + file_sha256(folder / WEIGHTS)
    return hashlib.sha256(both.encode()).hexdigest()[:16]
