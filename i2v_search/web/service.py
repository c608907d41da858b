"""State of a running server: the collection, its pools, its caches."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from platformdirs import user_cache_path

from i2v_search.collection.collection import Collection
from i2v_search.errors import I2VSearchError
from i2v_search.store.manifest import Manifest
from i2v_search.web.jobs.current_collection import CurrentCollection
from i2v_search.web.jobs.decoder_pool import Decoder
from i2v_search.web.jobs.map_jobs import MapKeeper
from i2v_search.web.jobs.tag_statistics import TagStatistics
from i2v_search.web.jobs.thumbnail_cache import ThumbnailCache
from i2v_search.web.jobs.upload_memory import Reader, Uploads
from i2v_search.web.jobs.workers import Pool
from i2v_search.web.server_settings import ServerSettings

#: Threads that make thumbnails: one decodes while another reads.
_THUMBNAIL_THREADS = 2
#: Films take seconds: few may wait.
_DRAWING_QUEUE = 4
#: Thumbnails that may wait: a page asks for a grid of them at once.
_THUMBNAIL_QUEUE = 512


class Service:
    """State shared by all requests.

    Args:
        collection: the open collection.
        settings: settings of the server.
    """

    def __init__(self, collection: Collection, settings: ServerSettings) -> None:
        self.settings = settings
        self.current = CurrentCollection(collection, settings.device)
        self.searching = Pool("search", settings.workers, settings.queue)
        self.reading = Pool("upload", 1, settings.queue)
        self.drawing = Pool("drawing", 1, _DRAWING_QUEUE)
        self.showing = Pool("thumbnail", _THUMBNAIL_THREADS, _THUMBNAIL_QUEUE)
        self.uploads = Uploads(settings.uploads_kept)
        self.map = MapKeeper(self.current)
        self._decoders = [Decoder(settings.decode_seconds) for _ in range(1 + _THUMBNAIL_THREADS)]
        self.reader = Reader(self.current, self._decoders[0], settings.max_upload_pixels)
        folder = settings.cache or Path(user_cache_path("i2v-search")) / "thumbnails"
        self.thumbnails = ThumbnailCache(folder, settings.thumbnail_bytes, self._decoders[1:])
        self._statistics: tuple[Manifest, TagStatistics] | None = None
        self._lock = threading.Lock()

    @property
    def pools(self) -> tuple[Pool, ...]:
        """The thread pools."""
        return (self.searching, self.reading, self.drawing, self.showing)

    def warm_up(self) -> None:
        """Preload data for the first requests in the background."""
        threading.Thread(target=self._warm_up, name="i2v-warm-up", daemon=True).start()

    def tag_statistics(self, collection: Collection) -> TagStatistics:
        """The tags of the collection as open in a thread, which may not be the newest."""
        manifest = collection.store.manifest
        with self._lock:
            if self._statistics is None or self._statistics[0] != manifest:
                self._statistics = (manifest, TagStatistics(collection.store))
            return self._statistics[1]

    def close(self) -> None:
        """Stop the pools."""
        for pool in self.pools:
            pool.close()
        self.map.close()
        for decoder in self._decoders:
            decoder.close()

    def _warm_up(self) -> None:
        self.thumbnails.load()
        try:
            for decoder in self._decoders:
                decoder.start()
            _ = self.current.collection().encoder
        except I2VSearchError:
            # The request that needs the encoder will say what is wrong with it.
            return


def service_of(request: Request) -> Service:
    """The service of the server of a request."""
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(service_of)]
