"""Opens the page in the desktop browser."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import PurePath

#: Browsers that take the terminal, in which the server tells where it is and waits for Ctrl-C.
_OF_THE_TERMINAL = frozenset({"browsh", "elinks", "links", "links2", "lynx", "w3m", "www-browser"})


def open_page(address: str) -> None:
    """Open a page in the desktop browser, if any, without waiting for the browser."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    if PurePath(getattr(found, "name", "")).name not in _OF_THE_TERMINAL:
        threading.Thread(target=found.open, args=(address,), name="i2v-browser", daemon=True).start()
