"""A data set of small drawings and a narrow network to train on it; as a script, a run that tests kill.

Arguments: the folder of the data set, the folder of the run, ``resume`` or ``begin``. Says ``ready`` once
everything is imported, and ``done`` at the end.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from i2v_search.choices import Device
from i2v_search.progress import Progress
from i2v_search.training.datasets.dataset import Dataset, read_dataset
from i2v_search.training.initial import Widths
from i2v_search.training.report import RunReport
from i2v_search.training.run import train
from i2v_search.training.settings import TrainingSettings

ON_CPU = Device(name="cpu", threads=1)
WIDTHS = Widths(trunk=(2, 3, 4, 4, 4, 4, 4, 4, 6, 6, 6), dimension=16)
SETTINGS = TrainingSettings(
    model="illustration2vec-features",
    epochs=3,
    batch_size=4,
    accumulate=2,
    learning_rate=3e-3,
    minimum=3,
    validation=0.25,
)
SHAPES = ("circle", "square", "star")
COLOURS = {"red": (220, 30, 40), "blue": (30, 60, 220), "green": (20, 160, 60)}


def draw_set(folder: Path, count: int = 32) -> Path:
    """Draw shapes in colours on uneven ground, tagged with both; every fifth lacks what its colour is."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        chance = random.Random(number)
        shape, colour = SHAPES[number % 3], chance.choice(list(COLOURS))
        noise = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        image = Image.fromarray(noise).resize((96, 72))
        image = Image.blend(image, Image.new("RGB", image.size, "white"), 0.6)
        draw, side = ImageDraw.Draw(image), chance.randint(24, 44)
        left, top = chance.randint(2, 92 - side), chance.randint(2, 68 - side)
        box = (left, top, left + side, top + side)
        if shape == "circle":
            draw.ellipse(box, COLOURS[colour])
        elif shape == "square":
            draw.rectangle(box, COLOURS[colour])
        else:
            draw.regular_polygon((left + side / 2, top + side / 2, side / 2), 3, fill=COLOURS[colour])
        image.save(folder / f"{number:03d}.png")
        looked = number % 5
        tags = [shape, colour, "safe"] if looked else [shape]
        if number == 1:
            tags.remove("safe")
        line = {"path": f"{number:03d}.png", "tags": tags, "categories": {"safe": "rating"}, "licence": "CC0"}
        lines.append(line if looked else {**line, "unknown": [*COLOURS, "safe"]})
    (folder / "tags.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def small_set(folder: Path, count: int = 32) -> Dataset:
    """`draw_set`, read."""
    return read_dataset(draw_set(folder, count))


def train_small(
    dataset: Dataset,
    out: Path,
    settings: TrainingSettings = SETTINGS,
    *,
    resume: bool = False,
    seconds: float = 300,
) -> RunReport:
    """Train the narrow network."""
    return train(
        [dataset],
        out,
        settings,
        widths=WIDTHS,
        resume=resume,
        device=ON_CPU,
        checkpoint_seconds=seconds,
    )


def main() -> None:
    """Train once, with a checkpoint after every update."""
    folder, out, how = sys.argv[1:]
    dataset = read_dataset(folder)
    print("ready", flush=True)

    def say(progress: Progress) -> None:
        if progress.stage == "training":
            print("update", flush=True)

    train(
        [dataset],
        out,
        SETTINGS,
        widths=WIDTHS,
        resume=how == "resume",
        device=ON_CPU,
        checkpoint_seconds=0,
        report=say,
    )
    print("done", flush=True)


if __name__ == "__main__":
    main()
