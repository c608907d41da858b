"""A trash of freedesktop.org in a folder of its own, in place of that of whoever runs the tests."""

import os
from pathlib import Path

import pytest

from i2v_search.build.upkeep import system_trash

#: For tests that look into it.
needs_bin = pytest.mark.skipif(
    not (system_trash.has_trash() and system_trash.CAN_RESTORE),
    reason="the extra trash is not installed, or the trash of this system says nothing of its files",
)


@pytest.fixture
def bin_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The trash of a home on the drive of the test's pictures."""
    from send2trash import plat_other  # what it does without GIO, which is asked for by the name of a home

    data = tmp_path / "data"
    monkeypatch.setenv("XDG_DATA_HOME", os.fspath(data))
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    monkeypatch.setattr(plat_other, "XDG_DATA_HOME", os.fsencode(data))
    monkeypatch.setattr(plat_other, "HOMETRASH_B", os.fsencode(data / "Trash"))
    monkeypatch.setattr("send2trash.send2trash", plat_other.send2trash)
    return data / "Trash"
