"""Opening another collection in a running server: its service is replaced."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from fastapi import FastAPI

from i2v_search.collection.known_collections import KnownCollections
from i2v_search.web.guard.failures import Failure
from i2v_search.web.service import Service


def switch(app: FastAPI, directory: Path) -> Service:
    """Serve the collection in another directory from now on; a build of the one before stops, losing nothing.

    Args:
        app: the application, from `i2v_search.web.app.create_app`.
        directory: the collection, which may not exist yet.

    Returns:
        The new service.
    """
    before: Service = app.state.service
    after = Service(directory, before.settings)
    app.state.service = after
    after.warm_up()
    note_opened(after)
    before.close()
    return after


def note_opened(service: Service) -> None:
    """Remember the service's collection among those that were opened, and watch it if it was watched then."""
    known = _known(service)
    if known is None:
        return
    directory = service.current.directory
    with suppress(OSError):  # that it is remembered is a convenience
        known.note(directory)
    found = known.find(directory)
    if found is not None and found.watch:
        with suppress(Failure):
            service.watch.start()


def set_watch(service: Service, on: bool) -> None:
    """Watch the folders of the service's collection or no more, also when it is opened again.

    Raises:
        Failure: watchfiles is not installed.
    """
    if on:
        service.watch.start()
    else:
        service.watch.stop()
    known = _known(service)
    if known is not None:
        with suppress(OSError):
            known.set_watch(service.current.directory, on)


def _known(service: Service) -> KnownCollections | None:
    file = service.settings.known
    return None if file is None else KnownCollections(file)
