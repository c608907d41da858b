"""State of a running server: the collection, its pools, its caches."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from platformdirs import user_cache_path

from i2v_search.collection.collection import Collection
from i2v_search.errors import I2VSearchError
from i2v_search.search.folders import FolderTree
from i2v_search.store.manifest import Manifest
from i2v_search.web.jobs.builder import Builder
from i2v_search.web.jobs.copy_search import CopySearch
from i2v_search.web.jobs.current_collection import CurrentCollection
from i2v_search.web.jobs.decoder_pool import Decoder
from i2v_search.web.jobs.folder_watch import FolderWatch
from i2v_search.web.jobs.kept_pictures import KeptPictures
from i2v_search.web.jobs.map_atlas import AtlasMaker
from i2v_search.web.jobs.map_jobs import MapKeeper
from i2v_search.web.jobs.original_viewer import OriginalViewer
from i2v_search.web.jobs.other_collections import OtherCollections
from i2v_search.web.jobs.picture_files import PictureFiles
from i2v_search.web.jobs.selections import Selections
from i2v_search.web.jobs.tag_statistics import TagStatistics
from i2v_search.web.jobs.thumbnail_cache import ThumbnailCache
from i2v_search.web.jobs.trashings import Trashings
from i2v_search.web.jobs.upload_memory import Reader, Uploads
from i2v_search.web.jobs.workers import Pool
from i2v_search.web.server_settings import ServerSettings

#: Threads that make thumbnails: one decodes while another reads.
_THUMBNAIL_THREADS = 2
#: Share of the cache that places of maps may take.
_MAP_SHARE = 8
#: Films take seconds: few may wait.
_DRAWING_QUEUE = 4
#: Thumbnails that may wait: a page asks for a grid of them at once.
_THUMBNAIL_QUEUE = 512
#: Regions and frames that may wait: a page asks for those in sight at once.
_VIEWING_QUEUE = 64
#: Threads that answer from what is stored: nothing is decoded there, and nobody waits for a decoder.
_STORED_THREADS = 2


class Service:
    """State shared by all requests.

    Args:
        collection: the open collection; or its directory, where it may not exist yet.
        settings: settings of the server.
    """

    def __init__(self, collection: Collection | Path, settings: ServerSettings) -> None:
        self.settings = settings
        self.current = CurrentCollection(collection, settings.device)
        self.others = OtherCollections(settings.known)
        self.searching = Pool("search", settings.workers, settings.queue)
        self.reading = Pool("upload", 1, settings.queue)
        self.drawing = Pool("drawing", 1, _DRAWING_QUEUE)
        self.taking = Pool("taking", 1, settings.queue)
        self.across = Pool("across", 1, settings.queue)
        self.keeping = Pool("annotations", 1, settings.queue)
        self.stored = Pool("stored", _STORED_THREADS, _THUMBNAIL_QUEUE)
        self.showing = Pool("thumbnail", _THUMBNAIL_THREADS, _THUMBNAIL_QUEUE)
        self.enlarging = Pool("large", 1, settings.queue)
        self.viewing = Pool("original", 1, _VIEWING_QUEUE)
        self.browsing = Pool("folders", 1, settings.queue)
        self.counting = Pool("counting", 2, settings.queue)
        self.builder = Builder(self.current.directory, self.current.look_again)
        self.watch = FolderWatch(self.current.directory, self.builder)
        self.copies = CopySearch(self.current.directory)
        self.trashings = Trashings()
        self.uploads = Uploads(settings.uploads_kept)
        self.selections = Selections()
        self._decoders = [Decoder(settings.decode_seconds) for _ in range(3 + _THUMBNAIL_THREADS)]
        self._slow_decoder = Decoder(settings.decode_seconds, niceness=10)
        self.reader = Reader(self.current, self._decoders[0], settings.max_upload_pixels)
        self.kept = KeptPictures(self._decoders[0], self.builder, settings.max_upload_pixels)
        self.originals = OriginalViewer(self._decoders[1])
        folder = settings.cache or Path(user_cache_path("i2v-search")) / "thumbnails"
        places = settings.cache_bytes // _MAP_SHARE
        self.map = MapKeeper(self.current, folder / "maps", places)
        files = PictureFiles(folder, settings.cache_bytes - places)
        self.thumbnails = ThumbnailCache(files, self._decoders[2:])
        self.atlas = AtlasMaker(self.current, self.thumbnails, self._slow_decoder)
        self._statistics: tuple[Manifest, TagStatistics] | None = None
        self._folders: tuple[Manifest, FolderTree] | None = None
        self._lock = threading.Lock()

    @property
    def pools(self) -> tuple[Pool, ...]:
        """The thread pools."""
        own = (self.searching, self.across, self.reading, self.drawing, self.taking, self.keeping)
        return (*own, self.stored, self.showing, self.enlarging, self.viewing, self.browsing, self.counting)

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

    def folder_tree(self, collection: Collection) -> FolderTree:
        """The folders and names of the collection as open in a thread, which may not be the newest."""
        manifest = collection.store.manifest
        with self._lock:
            if self._folders is None or self._folders[0] != manifest:
                self._folders = (manifest, FolderTree(collection.store))
            return self._folders[1]

    def close(self) -> None:
        """Stop the pools, and a build or a search for copies, which lose nothing."""
        self.watch.stop()
        self.kept.close()
        self.builder.close()
        self.copies.close()
        for pool in self.pools:
            pool.close()
        self.map.close()
        self.originals.close()
        self.atlas.close()
        for decoder in (*self._decoders, self._slow_decoder):
            decoder.close()

    def _warm_up(self) -> None:
        self.thumbnails.files.tidy()
        try:
            # Those for closer looks start when they are needed.
            for decoder in (self._decoders[0], *self._decoders[-_THUMBNAIL_THREADS:]):
                decoder.start()
            opened = self.current.collection()
            opened.search(order="varied", top=1)  # the first screen
            _ = opened.encoder
        except I2VSearchError:
            # The request that needs the encoder will say what is wrong with it.
            return


def service_of(request: Request) -> Service:
    """The service of the server of a request."""
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(service_of)]
