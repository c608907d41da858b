"""Illustration2Vec at full size, with seeded weights: import, memory, and the speed of the forward pass.

Parts: ``import``, ``speed``, ``int8``. The weights are written to a temporary
directory (2 GB) first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.timing import interleave, run_parts, table
from i2v_search.choices import Device
from i2v_search.encoders.base import EncoderInfo
from i2v_search.encoders.i2v_input import network_mean, to_network_input
from i2v_search.encoders.importing import import_weights
from i2v_search.encoders.networks.illustration2vec import FeatureModel
from i2v_search.encoders.networks.runtime import onnx_session
from i2v_search.encoders.quantizing import quantize_model
from i2v_search.encoders.registry import load_encoder
from i2v_search.encoders.stream import run_batches
from i2v_search.images.decoding import load_image
from i2v_search.images.sample import sample_images

# The writer of full-size weight files is the tests' own.
sys.path.append(str(Path(__file__).parent.parent / "tests"))
from caffe_files import full_size, write_caffemodel

PACKAGES = ("onnxruntime", "torch", "numpy", "scikit-image")
FLOP_AN_IMAGE = 17.7e9
BATCH = 8
ROUNDS = 5
SIZE = (1600, 2200)


def _child(script: str, *arguments: object) -> list[float]:
    """Run Python in a process of its own; it prints numbers, the peak RSS in bytes is appended."""
    tail = "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    done = subprocess.run(
        [sys.executable, "-c", script + tail, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    return [float(line) for line in done.stdout.split()]


IMPORT = """
import sys, time
from i2v_search.encoders.importing import import_weights
started = time.perf_counter()
import_weights(sys.argv[1], name=sys.argv[2])
print(time.perf_counter() - started)
"""
EXTRACT = """
import sys
from i2v_search import Collection
Collection.extract(sys.argv[1], [sys.argv[2]], encoder="full")
"""
READ = """
import sys, time
started = time.perf_counter()
with open(sys.argv[1], "rb") as file:
    while file.read(2**22):
        pass
print(time.perf_counter() - started)
"""


def measure_import(command: str) -> str:
    """Time and memory of importing the feature model, and of extracting with it."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["I2V_SEARCH_MODELS"] = f"{folder}/models"
        file = write_caffemodel(Path(folder) / "full.caffemodel", full_size("feature", "encode2"))
        size, names = file.stat().st_size, iter(range(100))
        weights = 4 * sum(int(np.prod(shape)) for shape in full_size("feature").shapes.values())
        peaks: list[float] = []

        def bring_in() -> None:
            name = f"m{next(names)}"
            peaks.append(_child(IMPORT, file, name)[1])
            subprocess.run(["rm", "-r", f"{folder}/models/{name}"], check=True)

        timings = interleave({"import": bring_in, "read": lambda: _child(READ, file)}, 3)
        _child(IMPORT, file, "full")
        art = sample_images()[0].path.parent
        extraction = _child(EXTRACT, f"{folder}/collection", art)[-1]
    rows = [
        ["file", f"{size / 1e6:.0f} MB", "", command],
        [
            "import",
            timings.spread("import").duration,
            f"{timings.ratio('import', 'read').show()} x reading",
            command,
        ],
        [
            "peak memory of import",
            f"{max(peaks) / 1e6:.0f} MB",
            f"{max(peaks) / size:.2f} x the file",
            command,
        ],
        [
            "peak memory of extraction",
            f"{extraction / 1e6:.0f} MB",
            f"{extraction / weights:.2f} x the weights, {extraction / size:.2f} x the file",
            command,
        ],
    ]
    return table(["what", "measured", "ratio", "command"], rows)


def measure_speed(command: str) -> str:
    """Images a second against torch eager, the original's way, and the machine's matrix product."""
    import torch

    from i2v_search.encoders.networks.illustration2vec import i2v_network
    from i2v_search.encoders.networks.runtime import OnnxRuntime, write_graph
    from i2v_search.encoders.networks.torch_network import torch_module

    mean, network, weights = network_mean(), i2v_network("feature"), dict(full_size("feature"))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        files = _files(Path(folder), 4 * BATCH)
        runtime = OnnxRuntime(write_graph(Path(folder), network, weights))
        model = FeatureModel(EncoderInfo("full", "0" * 64, "", 4096), runtime, mean)
        eager = torch_module(network, weights)
        del weights
        batch = to_network_input(np.stack([model.prepare(load_image(file)) for file in files[:BATCH]]), mean)
        tensor, product = torch.from_numpy(batch), _product()
        rounds = interleave(
            {
                "ours": lambda: _encode_files(model, files),
                "forward": lambda: runtime.run(batch),
                "eager": lambda: eager(tensor),
                "original": lambda: [eager(torch.from_numpy(_as_in_2015(file, mean))) for file in files],
                "product": product,
            },
            ROUNDS,
        )
    files_table = [
        ["i2v-search: decode, resize and forward overlapped", "ours"],
        ["the original's way: one by one, scikit-image, torch eager", "original"],
    ]
    forward_table = [
        [f"ONNX Runtime, batch of {BATCH}", "forward"],
        [f"torch eager, batch of {BATCH}", "eager"],
    ]
    lines = [
        [what, rounds.rate(name, count).show(), rounds.ratio(name, against).show(), command]
        for rows, count, against in ((files_table, len(files), "ours"), (forward_table, BATCH, "forward"))
        for what, name in rows
    ]
    reached = rounds.rate("forward", BATCH * FLOP_AN_IMAGE / 1e9)
    peak = rounds.rate("product", 2 * 4096**3 / 1e9)
    heading = (
        f"JPEG files of {SIZE[0]} x {SIZE[1]} px; the lower two lines are the forward pass alone, "
        "17.7 GFLOP an image."
    )
    closing = (
        f"The forward pass computes {reached.show()} GFLOP/s; ONNX Runtime's product of two 4096 x 4096 "
        f"matrices, the fastest of its own, NumPy's and torch's here, {peak.show()}."
    )
    rows = table(["what", "images/s", "time over the first of its kind", "command"], lines)
    return f"{heading}\n\n{rows}\n\n{closing}"


def _product() -> Callable[[], object]:
    """A product of two 4096 x 4096 float32 matrices by ONNX Runtime, with every core."""
    from onnx import TensorProto, helper

    shapes = {name: [4096, 4096] for name in "abc"}
    a, b, c = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
    )
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", [a, b], [c])
    opset = [helper.make_opsetid("", 17)]
    session = onnx_session(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
    inputs = dict(zip("ab", np.random.default_rng(0).random((2, 4096, 4096), np.float32), strict=True))
    return lambda: session.run(None, inputs)


def _encode_files(model: FeatureModel, files: list[Path]) -> None:
    for _ in run_batches(files, lambda file: (file, model.prepare(load_image(file))), model.encode, BATCH):
        pass


def _as_in_2015(file: Path, mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Open and resize one image as the original did: scikit-image, on values scaled to 0..1 and back."""
    from skimage.transform import resize

    pixels = np.asarray(Image.open(file).convert("RGB")).astype(np.float32)
    low, high = pixels.min(), pixels.max()
    scaled = resize((pixels - low) / (high - low), (224, 224), order=1, mode="constant", anti_aliasing=False)
    resized = scaled * (high - low) + low
    return np.ascontiguousarray((resized[..., ::-1].transpose(2, 0, 1) - mean)[None], np.float32)


def _files(folder: Path, count: int) -> list[Path]:
    """The sample's drawings as large JPEG files."""
    files = [folder / f"{number}.jpg" for number in range(count)]
    for file, sample in zip(files, sample_images(), strict=False):
        Image.open(sample.path).convert("RGB").resize(SIZE).save(file, quality=90)
    return files


def measure_int8(command: str) -> str:
    """An 8-bit copy against the original: forward pass and recall, on weights that nobody trained."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["I2V_SEARCH_MODELS"] = f"{folder}/models"
        file = write_caffemodel(Path(folder) / "full.caffemodel", full_size("feature"))
        import_weights(file, name="full")
        art = sorted({sample.path.parent for sample in sample_images()})[:4]
        made = quantize_model("full", art)
        encoders = [load_encoder(name, Device(name="cpu")) for name in ("full", "full-int8")]
        prepared = [encoders[0].prepare(load_image(sample.path)) for sample in sample_images()[:BATCH]]
        full, rough = (partial(encoder.encode, prepared) for encoder in encoders)
        rounds = interleave({"float32": full, "int8": rough}, ROUNDS)
        size = (Path(folder) / "models" / "full-int8" / "model.onnx").stat().st_size
    rows = [
        [
            "float32",
            rounds.rate("float32", BATCH).show(),
            rounds.ratio("float32", "int8").show(),
            "1",
            command,
        ],
        ["int8", rounds.rate("int8", BATCH).show(), "1 (1..1)", f"{made.recall_at_10:.3f}", command],
    ]
    header = ["weights", "images/s", "time over int8", f"recall@10 on {made.images} images", "command"]
    closing = (
        f"The copy takes {size / 1e6:.0f} MB; mean cosine of the vectors {made.cosine:.4f}. "
        "The weights are seeded noise: measure trained ones with `i2v-search models quantize`."
    )
    return f"{table(header, rows)}\n\n{closing}"


PARTS: dict[str, Any] = {
    "import": measure_import,
    "speed": measure_speed,
    "int8": measure_int8,
}

if __name__ == "__main__":
    run_parts("illustration2vec", PACKAGES, PARTS)
