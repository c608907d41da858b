"""Runs the command line within the process of the tests, which saves a command its start of a second."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from i2v_search.cli.main import main


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code, and what it wrote to its two streams."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str | Path, cwd: Path | None = None, columns: int = 140) -> Done:
    """Run a command in a folder, as `subprocess.run` would; a process of its own is for what needs one."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogateescape") for _ in range(2)]
    with (
        contextlib.chdir(cwd or Path.cwd()),
        mock.patch.dict(os.environ, {"COLUMNS": str(columns), "NO_COLOR": "1"}),
        mock.patch.object(sys, "argv", ["i2v-search", *map(str, arguments)]),
        mock.patch.object(sys, "stdout", streams[0]),
        mock.patch.object(sys, "stderr", streams[1]),
    ):
        code: Any = None
        try:
            main()
        except SystemExit as end:
            code = end.code
    for stream in streams:
        stream.seek(0)
    return Done(int(code or 0), streams[0].read(), streams[1].read())


def run_json(*arguments: str | Path, cwd: Path | None = None) -> Any:
    """What a command says to programs."""
    done = run(*arguments, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
