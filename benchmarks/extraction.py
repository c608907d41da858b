"""Extraction end to end against its two halves alone and against the simplest loop.

``python -m benchmarks.extraction [sample] [jpeg]``
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from benchmarks.timing import Timings, interleave, run_parts, table
from i2v_search import Collection, load_encoder, sample_directory
from i2v_search.choices import Device
from i2v_search.encoders.base import Encoder
from i2v_search.encoders.lite import WEIGHTS
from i2v_search.encoders.lite_head import STATISTICS, model_folder
from i2v_search.encoders.networks.efficientnet import network_input, statistics_network
from i2v_search.encoders.networks.layers import onnx_model
from i2v_search.encoders.tensors import map_tensors
from i2v_search.images.decoding import decode_image

JPEG_SIDE = 1500
SAMPLE_STEP, JPEG_STEP = 2, 3


def sample_part(command: str) -> str:
    """Every second picture of the bundled sample as it is: WebP, 320 px."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        shutil.copytree(sample_directory(), folder)
        for number, path in enumerate(sorted(folder.rglob("*.webp"))):
            if number % SAMPLE_STEP:
                path.unlink()
        return _measure(folder, Path(name), 9, command)


def jpeg_part(command: str) -> str:
    """Every third picture of the sample as a JPEG of 1,500 px; noise makes it weigh what scans do."""
    noise = np.random.default_rng(0).normal(0, 6, (JPEG_SIDE, JPEG_SIDE, 1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        folder.mkdir()
        for number, path in enumerate(sorted(sample_directory().rglob("*.webp"))[::JPEG_STEP]):
            with Image.open(path) as picture:
                scale = JPEG_SIDE / max(picture.size)
                size = (round(picture.width * scale), round(picture.height * scale))
                large = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BICUBIC), np.float32)
            large = np.clip(large + noise[: size[1], : size[0]], 0, 255)
            Image.fromarray(large.astype(np.uint8)).save(folder / f"{number:04d}.jpg", quality=90)
        return _measure(folder, Path(name), 5, command)


def _measure(folder: Path, scratch: Path, rounds: int, command: str) -> str:
    encoder = load_encoder("lite", Device(name="cpu"))
    paths = sorted(path for path in folder.rglob("*") if path.suffix in {".webp", ".jpg"})
    numbers = count()
    options = onnxruntime.SessionOptions()
    # As in the library: with spinning, ONNX Runtime is faster on idle cores and half as fast on shared ones.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    network = statistics_network(tuple(statistic for statistic, _ in STATISTICS))
    stored = map_tensors(model_folder() / WEIGHTS)
    model = onnx_model(network, {name: stored[name].astype(np.float32) for name in network.parameter_names()})
    session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    prepared = np.stack([_prepare(encoder, path) for path in paths])
    size = encoder.batch_size
    batches = [network_input(prepared[start : start + size]) for start in range(0, len(paths), size)]
    targets: list[Path] = []

    def extract() -> None:
        targets.append(scratch / f"collection-{next(numbers)}")
        changes = Collection.extract(targets[-1], [folder], encoder=encoder).report.extraction
        if changes is None or changes.encoded != len(paths):
            raise RuntimeError(f"expected {len(paths)} encoded images: {changes}")

    def forward() -> None:
        for batch in batches:
            session.run(None, {"image": batch})

    def decode() -> None:
        with ThreadPoolExecutor(os.cpu_count()) as workers:
            for _ in workers.map(partial(_prepare, encoder), paths):
                pass

    def naive() -> None:
        for path in paths:
            encoder.encode([_prepare(encoder, path)])

    def clean() -> None:
        while targets:
            shutil.rmtree(targets.pop())

    calls: dict[str, Callable[[], object]] = {
        "Collection.extract, end to end": extract,
        "(a) bare ONNX Runtime forward, batches prepared": forward,
        "(b) read + decode + prepare, thread pool": decode,
        "(d) naive: decode one, encode one": naive,
    }
    timings = interleave(calls, rounds, between=clean)
    weight = sum(path.stat().st_size for path in paths) / len(paths)
    return _report(timings, len(paths), weight, command)


def _report(timings: Timings, images: int, weight: float, command: str) -> str:
    whole, forward, decode, naive = timings.seconds
    rows = [
        [
            name,
            timings.rate(name, images).show(),
            timings.work(name).show(1000 / images),
            timings.ratio(whole, name).show(),
            command,
        ]
        for name in timings.seconds
    ]
    overlap, work = timings.ratio(whole, forward, decode), timings.ratio(whole, forward, decode, combine=sum)
    bounds = [
        [
            "(c) max(a, b): perfect overlap, each half with all cores to itself",
            "",
            "",
            overlap.show(),
            command,
        ],
        ["a + b: the same work on the same cores, nothing lost", "", "", work.show(), command],
    ]
    speedup = timings.ratio(naive, whole).show()
    intro = (
        f"{images} images, {weight / 1000:.0f} kB each on average. Extraction: {speedup} x as fast as naive."
    )
    return f"{intro}\n\n" + table(
        ["what", "images/s", "CPU ms an image", "time of extraction over this", "command"],
        [*rows[:3], *bounds, *rows[3:]],
    )


def _prepare(encoder: Encoder, path: Path) -> NDArray[Any]:
    decoded = decode_image(path.read_bytes(), name=path.name, shrink_to=encoder.shrink_to)
    return np.asarray(encoder.prepare(decoded.pixels))


if __name__ == "__main__":
    run_parts("extraction", ["onnxruntime", "pillow", "numpy"], {"sample": sample_part, "jpeg": jpeg_part})
