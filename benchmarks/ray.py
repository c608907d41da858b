"""What Ray takes to start, how fast it is then, and what it adds to an image: against the plain extractor.

``python -m benchmarks.ray [growth]``
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path

from PIL import Image

from benchmarks.timing import interleave, run_parts, table
from i2v_search import Collection, sample_directory
from i2v_search.build.options import BuildOptions
from i2v_search.build.ray.extraction import extract_on_ray
from i2v_search.build.ray.worker_results import ClusterExtraction
from i2v_search.choices import Device

SIZES = (100, 400, 1200)
ROUNDS = 2
CORES = 2


def growth_part(command: str) -> str:
    """More and more pictures: one process with two threads against two workers of one thread."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        rows = [_measure(scratch, images, command) for images in SIZES]
    intro = (
        "Pictures of the bundled sample, each with a patch of its own so that no two are the same; encoder "
        f"`lite`. Plain is `extract` with {CORES} threads, Ray is `--cluster local --workers {CORES}`, each "
        "worker with one thread. Starting is all before the first worker began with a picture: Ray itself, "
        f"the actors, the encoder in each. Medians of {ROUNDS} runs, smallest and largest beside them. What "
        "Ray adds is the time of its encoding and merging less that of the whole plain extraction, over the "
        "number of pictures."
    )
    header = [
        "pictures",
        "plain, s",
        "plain, pictures/s",
        "Ray starting, s",
        "Ray encoding, s",
        "Ray pictures/s while encoding",
        "Ray merging, s",
        "Ray adds, ms a picture",
        "command",
    ]
    return f"{intro}\n\n{table(header, rows)}"


def _measure(scratch: Path, images: int, command: str) -> list[str]:
    folder = _draw(scratch / f"pictures-{images}", images)
    numbers, told = count(), list[ClusterExtraction]()

    def target() -> Path:
        return scratch / f"collection-{next(numbers)}"

    def plain() -> None:
        Collection.extract(target(), [folder], device=Device(name="cpu", threads=CORES))

    def ray() -> None:
        device = Device(name="cpu", threads=1)
        told.append(extract_on_ray(target(), [folder], BuildOptions(device=device), workers=CORES))

    def clean() -> None:
        for path in scratch.glob("collection-*"):
            shutil.rmtree(path)

    calls: dict[str, Callable[[], object]] = {"plain": plain, "ray": ray}
    timings = interleave(calls, ROUNDS, between=clean)
    done = told[-ROUNDS:]
    if any(result.extraction.encoded != images for result in done):
        raise RuntimeError(f"expected {images} encoded pictures: {done}")
    show = partial(_spread, done)
    plain_seconds = timings.seconds["plain"]
    added = [
        1000 * (result.encoding + result.merging - seconds) / images
        for result, seconds in zip(done, plain_seconds, strict=True)
    ]
    return [
        f"{images:,}",
        timings.spread("plain").show(),
        timings.rate("plain", images).show(),
        show(lambda result: result.starting),
        show(lambda result: result.encoding),
        show(lambda result: images / result.encoding),
        show(lambda result: result.merging),
        f"{sum(added) / len(added):.2f} ({min(added):.2f}..{max(added):.2f})",
        command,
    ]


def _spread(results: list[ClusterExtraction], value: Callable[[ClusterExtraction], float]) -> str:
    values = sorted(value(result) for result in results)
    middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
    return f"{middle:.3g} ({values[0]:.3g}..{values[-1]:.3g})"


def _draw(folder: Path, images: int) -> Path:
    folder.mkdir()
    paths = sorted(sample_directory().rglob("*.webp"))
    for number, path in enumerate(islice(cycle(paths), images)):
        with Image.open(path) as picture:
            changed = picture.convert("RGB")
        changed.paste((number % 16 * 16, number // 16 % 16 * 16, number // 256 * 40), (0, 0, 24, 24))
        changed.save(folder / f"{number:05d}.webp", lossless=False, quality=90)
    return folder


if __name__ == "__main__":
    run_parts("ray", ("ray", "onnxruntime", "numpy"), {"growth": growth_part})
