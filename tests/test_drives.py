"""Drives that are not local disks: shares over SMB and NFS, folders of virtual machines, FUSE.

What they answer is put in place of the system's own answer, as in reports of borg, RocksDB and Poetry.
"""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from grids import GridEncoder, draw_folder
from stores import append, make_store, random_vectors

from i2v_search import Collection
from i2v_search.encoders.model_folder import new_model
from i2v_search.errors import CollectionLockedError, TrainingError
from i2v_search.files import naming, replacing, sync_directory, write_atomically
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.float16 import unit_float16
from i2v_search.store.locks import ProcessLock
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter, WriterLock, is_own_file
from i2v_search.training.run import _claimed
from i2v_search.training.settings import TrainingSettings

fcntl = pytest.importorskip("fcntl")

NO_SUCH_CALL = [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS]
NO_LOCKS = [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL]


def failing(number: int, *, folders_only: bool = False) -> Callable[[int], None]:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if folders_only and not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return real(descriptor)
        raise OSError(number, os.strerror(number))

    return fsync


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    number = getattr(request, "param", errno.ENOLCK)

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize("number", NO_SUCH_CALL)
@pytest.mark.parametrize("folders_only", [True, False])
def test_a_drive_without_fsync_holds_a_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, folders_only: bool
) -> None:
    images = draw_folder(tmp_path / "images", 8)
    monkeypatch.setattr(os, "fsync", failing(number, folders_only=folders_only))
    monkeypatch.setenv("I2V_SEARCH_MODELS", os.fspath(tmp_path / "models"))
    built = Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    built.remove([0])
    built.export(tmp_path / "vectors.npy")
    built.compact()
    with new_model("mine") as folder:
        (folder / "model.json").write_text("{}")
    opened = Collection.open(tmp_path / "c")
    assert (len(opened), opened.verify()) == (7, ())
    assert np.load(tmp_path / "vectors.npy").shape == (7, GridEncoder.info.dimension)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_drive_that_fails_is_an_error_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    target = tmp_path / "settings.json"
    write_atomically(target, b"old")
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(OSError, match=r"settings\.json'") as caught:
        write_atomically(target, b"new")
    assert caught.value.errno == number
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(OSError, match=tmp_path.name):
        sync_directory(tmp_path)


def test_an_error_about_the_temporary_file_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "none" / "settings.json"
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(target, b"new")
    assert str(caught.value) == f"[Errno 2] No such file or directory: '{target}'"
    other = tmp_path / "other.png"
    with pytest.raises(FileNotFoundError, match=r"other\.png"), replacing(tmp_path / "x"):
        other.read_bytes()


def test_a_text_alone_stays_as_it_is() -> None:
    with pytest.raises(OSError, match=r"^of a library$"), naming(Path("x")):
        raise OSError("of a library")


@pytest.mark.parametrize("step", ["write", "sync"])
def test_a_write_into_a_feature_file_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    make_store(tmp_path, random_vectors(3, 8))
    writer = StoreWriter(tmp_path, Manifest.load(tmp_path))
    record = ImageRecord("new.png", "ab" * 32, 1, 0, 1, 1)
    writer.append([record], *unit_float16(random_vectors(1, 8)), [None])
    if step == "sync":
        monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
        with pytest.raises(OSError, match=r"features-00000\.h5'"):
            writer.commit()
    else:
        full: Callable[..., None] = lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full"))  # noqa: E731
        monkeypatch.setattr("i2v_search.store.feature_file.write_at", full)
        with pytest.raises(OSError, match=r"features-00000\.h5'"):
            writer.append([record], *unit_float16(random_vectors(1, 8)), [None])
    monkeypatch.undo()
    writer.close()


@pytest.mark.parametrize("no_locks", NO_LOCKS, indirect=True)
@pytest.mark.usefixtures("no_locks")
def test_a_drive_without_locks_holds_a_collection_with_one_writer(tmp_path: Path) -> None:
    images = draw_folder(tmp_path / "images", 6)
    built = Collection.build(tmp_path / "c", [images], encoder=GridEncoder())
    with WriterLock(tmp_path / "c"):
        (marker,) = (tmp_path / "c").glob("*.held")
        assert is_own_file(marker.name)
        with pytest.raises(CollectionLockedError, match=f"wait for it to finish.*delete {marker}"):
            built.remove([0])
    assert not marker.exists()
    assert built.remove([0]) == 1
    assert built.verify() == ()


def test_a_lock_that_fails_otherwise_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match=r"writer\.lock'"):
        WriterLock(tmp_path).__enter__()


HOLDER = """
import errno, fcntl, sys
from pathlib import Path
def flock(descriptor, operation): raise OSError(errno.ENOLCK, "no locks")
fcntl.flock = flock
from i2v_search.store.writer import WriterLock
with WriterLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.usefixtures("no_locks")
def test_a_file_that_stands_for_a_lock_goes_with_its_holder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, os.fspath(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(CollectionLockedError, match="another process is writing"):
            WriterLock(tmp_path).__enter__()
        holder.kill()
        holder.wait()
        assert list(tmp_path.glob("*.held"))
        with WriterLock(tmp_path):  # its process is gone: the file means nothing
            pass
    assert not list(tmp_path.glob("*.held"))


@pytest.mark.usefixtures("no_locks")
def test_a_training_run_on_a_drive_without_locks(tmp_path: Path) -> None:
    settings = TrainingSettings(model="lite")
    with _claimed(tmp_path / "run", settings, resume=False):
        assert list((tmp_path / "run").rglob("*.held"))
        with (
            pytest.raises(TrainingError, match=r"another process is training into .* delete .*held"),
            _claimed(tmp_path / "run", settings, resume=True),
        ):
            pass
    with pytest.raises(TrainingError, match="nothing"), _claimed(tmp_path / "other", settings, resume=False):
        raise TrainingError("nothing")
    assert not (tmp_path / "other").exists()


def test_a_lock_of_the_system_leaves_no_file_that_counts(tmp_path: Path) -> None:
    lock, other = ProcessLock(tmp_path / "lock"), ProcessLock(tmp_path / "lock")
    assert lock.acquire()
    assert (other.acquire(), other.remedy) == (False, "")
    lock.release()
    assert other.acquire()
    other.release()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_feature_file_under_another_name_is_not_taken_for_rubbish(tmp_path: Path) -> None:
    """A writer removes what an interrupted one left behind, but not before the collection is whole."""
    make_store(tmp_path, random_vectors(3, 8))
    (tmp_path / "features-00000.h5").rename(tmp_path / "features-00007.h5")
    with pytest.raises(Exception, match="is missing"):
        append(tmp_path, random_vectors(1, 8))
    assert (tmp_path / "features-00007.h5").exists()
