"""The feature store: vectors and what is known of each image, in HDF5 parts under one manifest.

Positions count rows over all parts, dead ones included; they are internal. Ids belong to images and never
change. A later row with the same id supersedes an earlier one, and tombstones mark rows that were removed;
what is left is live.
"""

from i2v_search.store.checksums import Damage, difference, settled
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16, widen
from i2v_search.store.removals import Removal, Removals, read_removals, write_removals
from i2v_search.store.tombstones import read_tombstones, write_tombstones
from i2v_search.store.writer import COMMIT_ROWS, StoreWriter, WriterLock, is_own_file, remove_strangers

__all__ = [
    "COMMIT_ROWS",
    "Damage",
    "FeatureStore",
    "Removal",
    "Removals",
    "StoreWriter",
    "WriterLock",
    "difference",
    "is_own_file",
    "read_removals",
    "read_tombstones",
    "remove_strangers",
    "settled",
    "unit_float16",
    "widen",
    "write_removals",
    "write_tombstones",
]
