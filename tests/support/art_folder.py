"""The folder ``art`` of the examples in docstrings: tagged drawings of the sample, under short names."""

import json
import shutil
from pathlib import Path

from i2v_search.images.sample import sample_directory

_PICTURES = {
    "birds/duck.webp": "birds/anatra.webp",
    "birds/hen.webp": "birds/hen-01.webp",
    "birds/ostrich.webp": "birds/struzzo.webp",
    "birds/owl.webp": "birds/owl-on-branch-ganson.webp",
    "birds/penguin.webp": "birds/pinguino3.webp",
    "dogs/beagle.webp": "cats-and-dogs/beagle-copper-ganson.webp",
    "dogs/bulldog.webp": "cats-and-dogs/bulldog-puppy-ganson.webp",
    "dogs/labrador.webp": "cats-and-dogs/black-lab-ganson.webp",
    "fruit/apple.webp": "fruit/an-apple-01.webp",
    "fruit/bananas.webp": "fruit/bananas-nicu-buculei-01.webp",
    "fruit/cherries.webp": "fruit/cherries.webp",
    "fruit/lemon.webp": "fruit/lemon-whole-ganson.webp",
    "fruit/pineapple.webp": "fruit/pineapple.webp",
    "fruit/strawberry.webp": "fruit/strawberry-01.webp",
}
#: The same picture as a file of its own, which a group of duplicates needs.
_COPY = ("fruit/apple.webp", "fruit/apple-copy.webp")


def lay_out_art(folder: Path) -> None:
    """Write the pictures and their ``tags.jsonl``."""
    sample = sample_directory()
    lines = (sample / "tags.jsonl").read_text(encoding="utf-8").splitlines()
    tags = {entry["path"]: entry["tags"] for entry in map(json.loads, lines)}
    kept = []
    for name, source in _PICTURES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample / source, folder / name)
        kept.append(json.dumps({"path": name, "tags": tags[source]}))
    shutil.copy(folder / _COPY[0], folder / _COPY[1])
    (folder / "tags.jsonl").write_text("\n".join(kept) + "\n", encoding="utf-8")
