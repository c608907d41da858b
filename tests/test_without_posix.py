"""What a machine without POSIX, such as one with Windows, can do: everything but what says that it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from i2v_search.images.sample import sample_directory

#: As if these modules, functions and signals were not there: on Windows they are not. Other people's packages
#: ask ``sys.platform`` and are right to take the functions for granted here, so these are imported before.
WITHOUT = """
import os, signal, sys
from contextlib import suppress

with suppress(ImportError):
    import mcp.server.mcpserver  # which locks its output
NAMES = {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"}
for name in NAMES:
    sys.modules.pop(name, None)

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
import faiss, fastapi, filelock, h5py, onnxruntime, platformdirs, scipy, uvicorn

for name in ("fork", "forkpty", "getuid", "geteuid", "getgid", "getpgid", "getloadavg", "killpg", "mkfifo",
             "nice", "posix_fadvise", "sched_getaffinity", "statvfs", "sysconf", "uname"):
    delattr(os, name)
for name in ("SIGHUP", "SIGUSR1", "SIGUSR2"):
    delattr(signal, name)
for name in ("fcntl", "pwd", "resource"):
    assert name not in sys.modules, name
"""


def run(script: str, folder: Path) -> str:
    """What Python code prints, run in a folder without POSIX."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + script],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"},
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_is_imported(tmp_path: Path) -> None:
    assert run(
        "import importlib, pkgutil, i2v_search\n"
        "names = [found.name for found in pkgutil.walk_packages(i2v_search.__path__, 'i2v_search.')]\n"
        "for name in names:\n"
        "    if not name.endswith('__main__'):\n"
        "        importlib.import_module(name)\n"
        "print(len(names) > 200)\n",
        tmp_path,
    ).split() == ["True"]


def test_a_collection_is_built_searched_morphed_and_drawn(tmp_path: Path) -> None:
    script = f"""
from i2v_search.cli.main import app
from typer.testing import CliRunner

def say(*words):
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (words, done.output, done.exception)
    return done.output

say("build", {str(sample_directory() / "birds")!r}, "--collection", "art")
assert ".webp" in say("search", "hen-01.webp", "--paths-only", "--collection", "art")
say("morph", "0", "9", "--steps", "2", "--strip", "morph.png", "--collection", "art")
say("add", {str(sample_directory() / "fruit")!r}, "--collection", "art")
say("remove", "0", "--collection", "art")
say("compact", "--collection", "art")
print(say("verify", "--collection", "art"))
"""
    assert run(script, tmp_path)
    assert (tmp_path / "morph.png").stat().st_size > 1000


def test_the_server_answers_decodes_an_upload_and_stops(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {os.fspath(Path(__file__).parent / "support")!r})
from pathlib import Path
from i2v_search import Collection
from web_server import post_image, running

picture = Path({str(sample_directory() / "birds" / "hen-01.webp")!r})
art = Collection.build("art", [picture.parent])
with running(art, Path("thumbnails")) as server:
    sent = post_image(server.client, picture.read_bytes(), "image/webp")
    assert sent.status_code == 201, sent.text
    found = server.client.post("/api/v1/search", json={{"examples": [{{"upload": sent.json()["upload"]}}]}})
    print(len(found.json()["hits"]) > 1, not list(Path("art").glob("*.held")))
"""
    assert run(script, tmp_path).split() == ["True", "True"]
