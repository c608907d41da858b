"""Builds a collection with tiny parts and frequent commits, in a process that tests kill or starve.

Arguments: the collection, the folder of images, the name of the encoder (``grid`` or ``lite``), and perhaps
``views``, so that lines and details are kept. Says
``ready`` once everything is imported, ``done`` at the end, and ``OSError`` where the disk was full.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from grids import GridEncoder

from i2v_search import Collection, load_encoder
from i2v_search.choices import Device
from i2v_search.store import writer
from i2v_search.store.feature_file import Capacity

TINY = Capacity(rows=6, path_bytes=400, vocabulary=8, vocabulary_bytes=64, tag_entries=12)
#: For `lite`, which tags.
ROOMY = replace(TINY, vocabulary=512, vocabulary_bytes=2**14, tag_entries=2**10)


def make_parts_tiny(set_attribute: Callable[[Any, str, object], None] = setattr) -> None:
    """Make parts roll over after six rows and commit after three, so that every moment of a build is met."""
    set_attribute(
        Capacity, "for_dimension", classmethod(lambda cls, dimension: ROOMY if dimension == 4096 else TINY)
    )
    set_attribute(writer, "COMMIT_ROWS", 3)
    set_attribute(GridEncoder, "batch_size", 2)


def main() -> None:
    """Build once."""
    directory, images, name, *more = sys.argv[1:]
    views = True if more else None
    make_parts_tiny()
    encoder = GridEncoder() if name == "grid" else load_encoder(name, Device(threads=1))
    print("ready", flush=True)
    try:
        Collection.build(directory, [Path(images)], encoder=encoder, sketches=views, details=views)
        print("done", flush=True)
    except OSError as error:
        print(f"OSError {error}", flush=True)


if __name__ == "__main__":
    main()
