"""Manifests with every field, and manifests as an attacker can change them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from i2v_search.store import manifest as manifest_module
from i2v_search.store.manifest import EncoderRecord, FileRecord, IndexRecord, Manifest, PartRecord

SHA256 = "0123456789abcdef" * 4


def full_manifest(**changes: Any) -> Manifest:
    index = IndexRecord(
        generation=3,
        rows=5,
        live_rows=4,
        similarity="centred",
        kind="pca",
        dimensions=2,
        candidates=20,
        recall_at_10=0.995,
        files={
            "arrays": FileRecord(name="search-00002.h5", sha256=SHA256),
            "faiss": FileRecord(name="search-00002.faiss", sha256=SHA256),
        },
    )
    return Manifest(
        encoder=EncoderRecord(id="test", weights_sha256=SHA256, preprocessing="none", dimension=3),
        similarity="centred",
        image_root="/art/絵",
        generation=3,
        next_id=6,
        next_file=3,
        parts=(PartRecord(name="features-00000.h5", rows=5, sha256=SHA256),),
        mounts=("絵/usb",),
        tombstones=FileRecord(name="tombstones-00001.npy", sha256=SHA256),
        removals=FileRecord(name="removals-00002.jsonl", sha256=SHA256),
        index=index,
    ).updated(**changes)


def rewrite(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the document as an attacker can: with a checksum that is right again."""
    path = directory / manifest_module.FILE_NAME
    document = json.loads(path.read_bytes())
    document.pop("checksum")
    change(document)
    document["checksum"] = manifest_module._checksum(document)
    path.write_text(json.dumps(document))
