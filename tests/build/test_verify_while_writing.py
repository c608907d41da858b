"""`verify` finds nothing wrong with a collection that another process writes to meanwhile."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from folders import SUPPORT
from grids import GridEncoder, draw_folder
from stores import append, make_store, random_vectors

from i2v_search import Collection
from i2v_search.errors import CollectionDamagedError
from i2v_search.store.checksums import Damage, settled
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest

ROUNDS = 10

#: Removes images and takes them in again, with an index and a graph that follow: every file is replaced.
WRITER = f"""
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from small_build import make_parts_tiny
make_parts_tiny()
from grids import GridEncoder
from i2v_search import Collection
directory, images = map(Path, sys.argv[2:])
print("ready", flush=True)
for number in range({ROUNDS}):
    Collection.open(directory).remove([f"{{number % 7:04d}}.png"])
    Collection.build(directory, [images], encoder=GridEncoder(), forget_removals=True)
"""


def test_a_writer_at_work_is_no_damage(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "images", 16)
    Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    arguments = [str(SUPPORT), str(tmp_path / "c"), str(images)]
    verified = 0
    with subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        generations = set()
        while writer.poll() is None:
            opened = Collection.open(tmp_path / "c")
            generations.add(opened.store.manifest.generation)
            assert opened.verify() == ()
            verified += 1
    assert writer.returncode == 0
    assert len(generations) > 3
    assert verified > 3


def test_an_opened_store_is_verified_as_it_was_opened(tmp_path: Path) -> None:
    """The file that has its name by now is another, of another generation."""
    make_store(tmp_path, random_vectors(5, 8))
    opened = FeatureStore(tmp_path)
    append(tmp_path, random_vectors(3, 8))
    assert (opened.verify(), FeatureStore(tmp_path).verify()) == ([], [])
    with opened.parts[0].path.open("rb+") as file:
        file.write(b"\0")
    assert opened.verify() == []
    with pytest.raises(CollectionDamagedError):
        FeatureStore(tmp_path)


def test_a_file_that_was_cut_while_it_was_open_is_said(tmp_path: Path) -> None:
    """To read behind its end would kill the process."""
    make_store(tmp_path, random_vectors(300, 8))
    opened = FeatureStore(tmp_path)
    with opened.parts[0].path.open("rb+") as file:
        file.truncate(100)
    (damage,) = opened.verify()
    assert "changed while it was open (100 bytes" in damage.problem


def test_what_was_found_by_a_manifest_that_is_gone_means_nothing(tmp_path: Path) -> None:
    make_store(tmp_path, random_vectors(2, 8))
    seen = []

    def check(manifest: Manifest) -> list[Damage]:
        seen.append(manifest.generation)
        if len(seen) < 3:
            append(tmp_path, random_vectors(1, 8, seed=len(seen)))
            return [Damage("x", "gone")]
        return [Damage("x", "truly gone")] if len(seen) == 3 else []

    assert settled(tmp_path, check) == [Damage("x", "truly gone")]
    assert np.diff(seen).tolist() == [1, 1]
