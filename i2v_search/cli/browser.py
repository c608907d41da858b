"""Opens the page in the desktop browser."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import PurePath

#: Browsers that take the terminal, in which the server tells where it is and waits for Ctrl-C.
_OF_THE_TERMINAL = frozenset({"browsh", "elinks", "links", "links2", "lynx", "w3m", "www-browser"})


def open_page(address: str, *, wait: bool = False) -> None:
    """Open a page in the desktop browser, if any; without waiting for the browser, unless that is wished."""
    found = _desktop_browser()
    if found is None:
        return
    if wait:
        found.open(address)
    else:
        threading.Thread(target=found.open, args=(address,), name="i2v-browser", daemon=True).start()


def has_browser() -> bool:
    """Whether `open_page` opens anything."""
    return _desktop_browser() is not None


def _desktop_browser() -> webbrowser.BaseBrowser | None:
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return None
    return None if PurePath(getattr(found, "name", "")).name in _OF_THE_TERMINAL else found
