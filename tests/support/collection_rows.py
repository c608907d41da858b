"""Everything that a collection knows, to compare one with another."""

from pathlib import Path

import numpy as np
from folders import UNNAMED

from i2v_search import Collection
from i2v_search.search.colour_codes import COLOUR_FORM
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.view_file import ViewFile

Rows = dict[int, tuple[ImageRecord, bytes, bytes]]


def live_rows(directory: Path) -> Rows:
    """Everything a collection knows, by id."""
    store = FeatureStore(directory)
    assert store.verify() == []
    return {
        int(store.ids[at]): (
            store.record(at),
            store.take_float16(np.array([at])).tobytes(),
            store.norms(np.array([at])).tobytes(),
        )
        for at in store.live.tolist()
    }


def assert_equal_to_undisturbed(killed: Path, twin: Path) -> None:
    assert live_rows(killed) == live_rows(twin)
    ours, theirs = Collection.open(killed), Collection.open(twin)
    assert ours.is_current
    assert ours.verify() == ()
    assert ours.search(ours.ids[0], top=5).hits == theirs.search(theirs.ids[0], top=5).hits
    colours = ViewFile.find(killed, COLOUR_FORM)
    assert colours is not None
    assert ours.store.contents() <= colours.complete()
    assert {path.name for path in killed.iterdir()} - UNNAMED == ours.store.manifest.file_names()
