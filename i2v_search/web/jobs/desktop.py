"""The desktop of this computer: its file manager, and the program that opens a picture.

Only `i2v_search.web.routes.taking` calls this, for files of the collection and with the launch's token. A
program is started with a list of arguments, never through a shell, and the file's path is absolute, so that
no name is taken for an option.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from shutil import which

from i2v_search.images.formats import EXTENSIONS
from i2v_search.web.guard.failures import Failure

#: Seconds in which a desktop takes an order.
_PATIENCE = 10.0


def show_in_folder(file: Path) -> None:
    """Open the file's folder in the file manager, with the file selected where that is possible.

    Raises:
        Failure: the file is gone, or this computer has no file manager.
    """
    _must_exist(file)
    if sys.platform == "win32":
        _start(["explorer", f"/select,{file}"])
    elif sys.platform == "darwin":
        _start(["open", "-R", os.fspath(file)])
    elif not _selected(file):
        _start(["xdg-open", os.fspath(file.parent)])


def open_file(file: Path, program: str = "") -> None:
    """Open a picture.

    Args:
        file: a file whose ending is that of a picture: what a system does with another could be anything.
        program: command of the program, with its options; empty for the one that the system has for it.

    Raises:
        Failure: the file is gone or no picture by its ending, or there is no such program.
    """
    _must_exist(file)
    if program:
        _start([*shlex.split(program, posix=os.name != "nt"), os.fspath(file)])
    elif file.suffix.lower() not in EXTENSIONS:
        raise Failure(
            "no_desktop",
            f"{file.suffix or 'a name without an ending'} is not opened: not the ending of a picture",
        )
    elif sys.platform == "win32":
        os.startfile(file)  # noqa: S606 - the system's own program for a picture
    else:
        _start(["open" if sys.platform == "darwin" else "xdg-open", os.fspath(file)])


def _must_exist(file: Path) -> None:
    if not file.is_file():
        raise Failure("picture_gone", "the image's file is gone; is its disk connected?")


def _selected(file: Path) -> bool:
    """Whether a file manager selects the file: most of Linux's listen on D-Bus."""
    if which("gdbus") is None:
        return False
    try:
        asked = subprocess.run(  # noqa: S603 - a list, and the name is part of a URI
            [
                *("gdbus", "call", "--session", "--timeout", "5"),
                *("--dest", "org.freedesktop.FileManager1"),
                *("--object-path", "/org/freedesktop/FileManager1"),
                *("--method", "org.freedesktop.FileManager1.ShowItems"),
                f"['{file.as_uri().replace(chr(39), '%27')}']",
                "",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _start(command: Sequence[str]) -> None:
    """Start a program and leave it to itself."""
    if which(command[0]) is None:
        raise Failure("no_desktop", f"there is no program {command[0]!r} on this computer")
    process = subprocess.Popen(  # noqa: S603 - a list; the program is the system's or the one of `serve --open-with`
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # Somebody has to wait for it, or what is left of it stays in the list of processes.
    threading.Thread(target=process.wait, name="i2v-desktop", daemon=True).start()
