"""Opens the page in the browser of the desktop."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import PurePath

#: Browsers that take the terminal, in which the server tells where it is and waits for Ctrl-C.
_OF_THE_TERMINAL = frozenset({"browsh", "elinks", "links", "links2", "lynx", "w3m", "www-browser"})


def open_page(address: str) -> None:
    """Open a page, if there is a desktop, without waiting for the browser: it may wait for the page."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    if PurePath(getattr(found, "name", "")).name not in _OF_THE_TERMINAL:
        threading.Thread(target=found.open, args=(address,), name="i2v-browser", daemon=True).start()
