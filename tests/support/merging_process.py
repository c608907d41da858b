"""Merges collections with tiny parts and small blocks, in a process that tests kill or starve.

Arguments: the target and the others. Says ``ready`` once everything is imported, ``done`` at the end, and
``OSError`` where the disk was full.
"""

import sys
from pathlib import Path

from small_build import make_parts_tiny

from i2v_search.build.upkeep import merging

if __name__ == "__main__":
    make_parts_tiny()
    merging.MAX_BLOCK_ROWS = 3
    print("ready", flush=True)
    try:
        merging.merge_collections(Path(sys.argv[1]), [Path(other) for other in sys.argv[2:]])
        print("done", flush=True)
    except OSError as error:
        print(f"OSError {error}", flush=True)
