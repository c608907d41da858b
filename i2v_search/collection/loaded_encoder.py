"""The encoder of a collection, loaded when it is first needed."""

from __future__ import annotations

import threading
from typing import TypeAlias

from i2v_search.build.features import load_makers
from i2v_search.build.options import BuildOptions
from i2v_search.choices import Device
from i2v_search.encoders.base import Encoder
from i2v_search.store.manifest import EncoderRecord, Manifest

_Makers: TypeAlias = tuple[EncoderRecord, EncoderRecord | None]


class LoadedEncoder:
    """Loads an encoder with its tagger once, and again where the collection has another one now.

    Several open collections, each of a thread, may share it.

    Args:
        device: where the model runs.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self._loaded: tuple[_Makers, Encoder] | None = None
        self._lock = threading.Lock()

    def of(self, manifest: Manifest) -> Encoder:
        """The encoder that made the vectors and tags of a collection.

        Raises:
            EncoderMismatchError: the installed one is not the one that made them.
        """
        makers = (manifest.encoder, manifest.tagger)
        with self._lock:
            if self._loaded is None or self._loaded[0] != makers:
                self._loaded = makers, load_makers(BuildOptions(device=self.device), manifest)
            return self._loaded[1]

    def keep(self, encoder: Encoder, manifest: Manifest) -> None:
        """Take an encoder that is loaded already, with its tagger, for that of a collection."""
        self._loaded = (manifest.encoder, manifest.tagger), encoder
