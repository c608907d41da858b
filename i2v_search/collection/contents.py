"""Images of an open collection, by id and by path, and their details."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import StoredImage, StoredImages, renamed
from i2v_search.build.options import BuildReport
from i2v_search.choices import (
    Backend,
    Device,
    DeviceName,
)
from i2v_search.collection.info import CollectionInfo, ImageInfo
from i2v_search.collection.loaded_encoder import LoadedEncoder
from i2v_search.collection.notebook import SHOWN, contact_sheet
from i2v_search.collection.open_state import OpenState
from i2v_search.collection.table import CollectionTable
from i2v_search.encoders.base import Encoder
from i2v_search.errors import CollectionClosedError, QueryError
from i2v_search.images.sources import open_stored
from i2v_search.index.index_files import is_current, verify_index
from i2v_search.search.orders import CollectionOrders
from i2v_search.store.annotations.annotations import Annotations, annotation_damages
from i2v_search.store.checksums import Damage, settled
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.view_file import view_damages


class Contents:
    """The part of `Collection` that says what it holds; see there."""

    def __init__(
        self,
        directory: Path,
        *,
        device: Device | DeviceName = Device(),
        backend: Backend = "faiss",
        milvus_uri: str | None = None,
        encoder: LoadedEncoder | None = None,
        orders: CollectionOrders | None = None,
    ) -> None:
        if backend not in get_args(Backend):
            raise QueryError(f"unknown search backend {backend!r}; available: {', '.join(get_args(Backend))}")
        self.directory, self.backend, self.milvus_uri = directory, backend, milvus_uri
        self.report = BuildReport()
        self._encoder = encoder or LoadedEncoder(Device.of(device))
        self._open: OpenState | None = OpenState(
            directory, backend, milvus_uri, self._encoder, orders or CollectionOrders()
        )

    @classmethod
    @renamed(engine="device", search_engine="backend")
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        device: Device | DeviceName = Device(),
        backend: Backend = "faiss",
        milvus_uri: str | None = None,
    ) -> Self:
        """Open a collection for searching.

        Args:
            directory: where it was built.
            device: where query images are encoded; the encoder is loaded when first needed.
            backend: what proposes neighbours: ``"faiss"``, the collection's own index, or ``"milvus"``,
                a server that `push_to_milvus` sent it to. Answers are the same; it is connected to when first
                needed.
            milvus_uri: where that is, ``http://host:19530`` or a file such as ``pictures.db``, optionally
                with ``#name``; None takes the environment variable ``I2V_SEARCH_MILVUS_URI``.

        Raises:
            CollectionNotFoundError: there is none.
            CollectionDamagedError: a file is missing or not what it claims to be.
            QueryError: there is no such backend.
        """
        return cls(Path(directory), device=device, backend=backend, milvus_uri=milvus_uri)

    def info(self) -> CollectionInfo:
        """Facts about the collection; loads neither encoder nor index."""
        return CollectionInfo.of(self.store)

    def verify(self) -> tuple[Damage, ...]:
        """Compare every file with its checksum; another process may write meanwhile.

        Returns:
            What is damaged; nothing if all is well.
        """
        derived = settled(self.directory, lambda now: verify_index(self.directory, now.index))
        return (
            *self.store.verify(),
            *derived,
            *view_damages(self.directory),
            *annotation_damages(self.directory),
        )

    def image_bytes(self, image: StoredImage) -> bytes:
        """The file of an image of the collection, by id or stored path.

        Raises:
            NoSuchImageError: the collection holds no such image.
            ImageError: its file is gone or cannot be read.
        """
        return open_stored(Path(self.store.manifest.image_root), self.stored_path(image), allow_outside=True)

    def ids_of_contents(self, digests: Sequence[str]) -> list[int | None]:
        """The first image with each SHA-256 (lower-case hex) of its file; None where there is none."""
        return [images[0] if images else None for images in self.all_ids_of_contents(digests)]

    def all_ids_of_contents(self, digests: Sequence[str]) -> list[list[int]]:
        """All images with each SHA-256 (lower-case hex) of their files."""
        if not digests:
            return []
        content = np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(-1, 32)
        return [
            [int(self.store.ids[row]) for row in rows]
            for rows in self._state.catalogue.find_contents(content)
        ]

    def stored_path(self, image: StoredImage) -> str:
        """Path of an image relative to the image root; a `NoSuchImageError` if there is no such image."""
        return self.store.path(self._state.position(image))

    def file_path(self, image: StoredImage) -> bytes:
        """Absolute path of an image's file in the file system's own bytes."""
        return os.fsencode(Path(self.store.manifest.image_root) / self.stored_path(image))

    def vectors(self, images: StoredImages | None = None) -> NDArray[np.float32]:
        """Feature vectors as the encoder gave them, up to float16 rounding, (n, d) float32.

        Row for row they belong to the rows of `table`.

        Args:
            images: ids or stored paths; None takes all in the order of `ids`.
        """
        positions = self._state.positions(images)
        return self.store.take(positions) * self.store.norms(positions)[:, None]

    def table(self, images: StoredImages | None = None) -> CollectionTable:
        """What is known of the images, a column each: ``table["path"]``, ``table.to_pandas()``.

        Args:
            images: ids or stored paths; None takes all in the order of `ids`.

        Returns:
            (n,) arrays by name, in the order of `vectors` of the same images.

        Raises:
            NoSuchImageError: the collection holds no such image.
        """
        return CollectionTable.of(self.store, self._state.positions(images))

    @property
    def ids(self) -> list[int]:
        """Ids of all images."""
        return [int(image) for image in self.store.ids[self.store.live]]

    @property
    def is_current(self) -> bool:
        """Whether the index describes the feature store as it is."""
        return is_current(self.store)

    @property
    def store(self) -> FeatureStore:
        """The feature store, in the state that is open."""
        return self._state.store

    @property
    def annotations(self) -> Annotations:
        """What people keep of the collection: boards, stars, notes, tags of their own, saved searches.

        They are found by the content of the files, so that a build, `relocate` and new ids leave them alone.

        Example:
            >>> from i2v_search import Collection
            >>> art = Collection.open("index/art")
            >>> mood = art.annotations.boards.make("Mood")
            >>> art.annotations.boards.put(mood.id, [art["fruit/lemon.webp"], art["fruit/apple.webp"]])
            2
            >>> [hit.path for hit in art.search(board="Mood", order="board").hits]
            ['fruit/lemon.webp', 'fruit/apple-copy.webp']
        """
        return Annotations(self._state.store.directory)

    @property
    def encoder(self) -> Encoder:
        """The collection's encoder, with its tagger if it has one; loaded when first requested.

        Raises:
            EncoderMismatchError: the installed encoder is not the one that made the vectors.
        """
        return self._encoder.of(self.store.manifest)

    def close(self) -> None:
        """Let go of files, index and encoder; a closed collection answers nothing any more."""
        self._open = None
        self._encoder = LoadedEncoder(self._encoder.device)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Number of images."""
        return len(self.store)

    def __getitem__(self, image: StoredImage) -> ImageInfo:
        """Details of an image, by id, stored path or the end of one; `NoSuchImageError` if there is none."""
        return ImageInfo.of(self.store, self._state.position(image))

    def __iter__(self) -> Iterator[ImageInfo]:
        """Every image, in the order of `ids`."""
        store = self.store
        return (ImageInfo.of(store, position) for position in store.live.tolist())

    def __contains__(self, image: object) -> bool:
        """Whether ``collection[image]`` gives an image."""
        try:
            self._state.position(image)  # type: ignore[arg-type]
        except QueryError:
            return False
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as a place and how it was opened, never as data: it opens it again."""
        device, backend = self._encoder.device, self.backend
        opened = partial(type(self), device=device, backend=backend, milvus_uri=self.milvus_uri)
        return opened, (self.directory.absolute(),)

    def __repr__(self) -> str:
        """Directory and size of the collection."""
        if self._open is None:
            return f"Collection({os.fspath(self.directory)!r}, closed)"
        manifest = self.store.manifest
        facts = f"{len(self)} images, encoder {manifest.encoder.id!r}, {manifest.similarity}"
        return f"Collection({os.fspath(self.directory)!r}, {facts})"

    def _repr_html_(self) -> str:
        """A few of its images, for notebooks."""
        if self._open is None:
            return contact_sheet(repr(self), [], self.image_bytes)
        live = self.store.live
        chosen = live[np.linspace(0, len(live) - 1, min(SHOWN, len(live))).astype(np.int64)]
        images = [ImageInfo.of(self.store, position) for position in chosen.tolist()]
        return contact_sheet(repr(self), images, self.image_bytes)

    @property
    def _state(self) -> OpenState:
        if self._open is None:
            raise CollectionClosedError(f"the collection {self.directory} was closed; open it again")
        return self._open
