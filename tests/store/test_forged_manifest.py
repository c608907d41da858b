"""A forged manifest whose checksum is right, and a forged index file: an answer, or one named error."""

import contextlib
import hashlib
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from manifests import full_manifest, rewrite
from stores import make_store, random_vectors, remove

from i2v_search import Collection
from i2v_search.choices import IndexKind
from i2v_search.errors import CollectionDamagedError, I2VSearchError
from i2v_search.index.planner import IndexOptions
from i2v_search.store.manifest import FileRecord, Manifest, _checksum

pytestmark = pytest.mark.integration

ROWS, DIMENSION = 300, 16
#: Of each kind of index; 2,000 in all.
MUTATIONS = 400
KINDS: list[IndexKind] = ["exact", "pca", "codes", "ivf", "hnsw"]
#: Bytes of the index's file that are changed, in a process of their own: a crash is then seen as one.
FILES = 150

NUMBERS = [*(-1, 0, 1, 2, 3, 15, 16, 17, 298, 299, 300, 301, 65_536, 2**24, 2**31 - 1, 2**31, 2**62, 2**63)]
STRANGE = [
    *(None, True, False, 10**30, -0.0, 0.5, 1.5, 1e-320, 1e308, float("nan"), float("inf"), float("-inf")),
    *("", "\0", "a\0b", "\ud800", "x" * 1000, "../x", "lite", "0" * 64, [], {}, [1], {"x": 1}),
    *("cosine", "l2", "hamming", "centred", "exact", "pca", "codes", "ivf", "hnsw", "auto"),
]
STEPS = [-(2**20), -16, -2, -1, 1, 2, 16, 2**20]


@pytest.fixture(scope="module", params=KINDS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("built")
    tags = [["a", "b"][: row % 3] for row in range(ROWS)]
    make_store(directory, random_vectors(ROWS, DIMENSION), tags=tags, similarity="centred")
    remove(directory, [5])
    options = IndexOptions(kind=request.param, pca_dimensions=8, graph=True)
    Collection.open(directory).index(options=options)
    return directory


def places(document: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON document, as the keys that lead there."""
    keys: Any = list(document) if isinstance(document, dict) else ()
    for key in range(len(document)) if isinstance(document, list) else keys:
        yield (*before, key)
        yield from places(document[key], (*before, key))


def mutated(document: dict[str, Any], generator: random.Random) -> dict[str, Any]:
    """The document with one to three values changed a little, exchanged, made strange, or taken away."""
    document = json.loads(json.dumps(document))
    for _ in range(generator.choice([1, 1, 1, 2, 3])):
        found = list(places(document))
        of_index = [place for place in found if place[0] == "index"]
        *way, last = generator.choice(of_index if of_index and generator.random() < 0.8 else found)
        holder: Any = document
        for key in way:
            holder = holder[key]
        value = holder[last]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        match generator.randrange(8):
            case 0:
                del holder[last]
            case 1 | 2 | 3 if is_number:
                holder[last] = value + generator.choice(STEPS)
            case 4 | 5:
                holder[last] = generator.choice(NUMBERS)
            case _:
                holder[last] = generator.choice(STRANGE)
    return document


def use(directory: Path) -> bool:
    """Do everything that reads a collection; whether it opened. Only errors of ours are held back."""
    try:
        opened = Collection.open(directory)
    except I2VSearchError:
        return False
    for action in (
        opened.info,
        opened.verify,
        opened.plan,
        lambda: opened.encoder,
        lambda: opened.search(3, top=5),
        lambda: opened.search(np.ones(DIMENSION, np.float32), tags="a", diverse=0.7),
        lambda: opened.search("0004.png", top=ROWS),
        lambda: opened.morph(0, 20),
        lambda: opened.vectors([1]),
        lambda: opened.image_bytes(1),
    ):
        try:
            action()
        except I2VSearchError:
            continue
    return True


def test_a_forged_manifest_is_an_answer_or_a_named_error(built: Path) -> None:
    path = built / "collection.json"
    original = path.read_bytes()
    document = json.loads(original)
    document.pop("checksum")
    generator, opened = random.Random(document["index"]["kind"]), 0
    try:
        for number in range(MUTATIONS):
            forged = mutated(document, generator)
            forged.pop("checksum", None)
            path.write_text(json.dumps({**forged, "checksum": _checksum(forged)}))
            try:
                opened += use(built)
            except Exception as error:
                raise AssertionError(f"mutation {number} of {document['index']['kind']}: {forged}") from error
    finally:
        path.write_bytes(original)
    assert MUTATIONS // 10 < opened < MUTATIONS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process that may crash")
def test_a_forged_index_file_is_an_answer_or_a_named_error(built: Path) -> None:
    manifest = Manifest.load(built)
    assert manifest.index is not None
    path = built / manifest.index.files["faiss"].name
    content, generator, opened = path.read_bytes(), random.Random(manifest.index.kind), 0
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for _ in range(FILES):
                forged = bytearray(content)
                for _ in range(generator.choice([1, 1, 2])):
                    at = generator.choice([generator.randrange(300), generator.randrange(len(content))])
                    width = generator.choice([1, 4, 8])
                    value = generator.choice([0, 1, 3, 17, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1])
                    forged[at : at + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")
                path.write_bytes(forged)
                record = FileRecord(name=path.name, sha256=hashlib.sha256(forged).hexdigest())
                files = {**manifest.index.files, "faiss": record}
                manifest.updated(index=manifest.index.model_copy(update={"files": files})).save(built)
                with contextlib.suppress(I2VSearchError):
                    for top in (5, ROWS):
                        Collection.open(built).search(3, top=top)
                opened += 1
            status = 0
        finally:
            os._exit(status if opened == FILES else 2)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        path.write_bytes(content)
        manifest.save(built)


@pytest.mark.parametrize("place", ["recall_at_10", "query_ms"])
def test_what_is_no_number_is_refused(tmp_path: Path, place: str) -> None:
    """Such a manifest would differ from itself: whoever waits for it to be the same waits for ever."""
    full_manifest().save(tmp_path)
    rewrite(tmp_path, lambda document: document["index"].update({place: float("nan")}))
    with pytest.raises(CollectionDamagedError, match="NaN is no number"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("files", [{}, {"arrays": {"name": "x", "sha256": "0" * 64}}])
def test_an_index_without_its_files_is_refused(tmp_path: Path, files: dict[str, Any]) -> None:
    full_manifest().save(tmp_path)
    rewrite(tmp_path, lambda document: document["index"].update(files=files))
    with pytest.raises(CollectionDamagedError, match=r"not valid at index: .*files lack"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("place", ["encoder.id", "encoder.preprocessing", ".image_root"])
def test_a_zero_byte_is_in_no_name(tmp_path: Path, place: str) -> None:
    table, key = place.split(".")
    full_manifest().save(tmp_path)
    rewrite(tmp_path, lambda document: (document[table] if table else document).update({key: "a\0b"}))
    with pytest.raises(CollectionDamagedError, match="is not valid at"):
        Manifest.load(tmp_path)
