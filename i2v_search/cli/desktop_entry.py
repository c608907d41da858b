"""Adds i2v-search to the applications of a Linux desktop: a file as freedesktop.org's Desktop Entry says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import typer
from platformdirs import user_data_path

from i2v_search.files import write_atomically

_ICON = Path(__file__).parents[1] / "web" / "static" / "icon.svg"


def write_entry() -> Path:
    """Write the entry and its icon to the user's own; one that is there is replaced.

    Returns:
        Its file.
    """
    if not sys.platform.startswith("linux"):
        raise typer.BadParameter("--desktop-entry is for Linux; for macOS and Windows see docs/desktop.md")
    data = Path(user_data_path())
    icon, entry = (
        data / "icons/hicolor/scalable/apps/i2v-search.svg",
        data / "applications/i2v-search.desktop",
    )
    for file, content in ((icon, _ICON.read_bytes()), (entry, entry_text(sys.executable, icon).encode())):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, content)
    return entry


def entry_text(python: str, icon: Path) -> str:
    """The entry, for the Python that i2v-search is installed in.

    >>> print(entry_text("/opt/my env/python", Path("/icons/i2v-search.svg")).splitlines()[4])
    Exec="/opt/my env/python" -m i2v_search start
    """
    lines = {
        "Type": "Application",
        "Name": "i2v-search",
        "Comment": "Find illustrations that look alike",
        "Exec": f"{_quoted(python)} -m i2v_search start",
        "Icon": str(icon),
        "Terminal": "false",
        "Categories": "Graphics;Viewer;",
        "Keywords": "images;pictures;search;similar;art;",
    }
    return "[Desktop Entry]\n" + "".join(f"{name}={value}\n" for name, value in lines.items())


def _quoted(argument: str) -> str:
    """An argument of Exec: reserved characters are escaped, then backslashes once more, as in all strings."""
    escaped = re.sub(r'(["`$\\])', r"\\\1", argument).replace("\\", "\\\\").replace("%", "%%")
    return f'"{escaped}"'
