"""The feature store of a collection: images come in, and go."""

from __future__ import annotations

import shlex
from contextlib import closing
from pathlib import Path

from i2v_search.arguments import StoredImages, several
from i2v_search.build.changes import find_scopes, root_is_away
from i2v_search.build.colours import ColourNotes
from i2v_search.build.columns import fill_columns
from i2v_search.build.extract import Extraction, extract, open_sidecars
from i2v_search.build.indexing import _removals_of, lift_removals, note_mounts, require_similarity
from i2v_search.build.options import BuildOptions
from i2v_search.build.source_folders import note_sources
from i2v_search.build.views import update_views, wanted_views
from i2v_search.choices import Device, SimilarityName
from i2v_search.encoders.base import Encoder, EncoderInfo, TaggedEncoder, usual_similarity
from i2v_search.encoders.given import GIVEN, GivenVectors, is_given
from i2v_search.encoders.registry import load_encoder, load_tagger
from i2v_search.errors import (
    EncoderMismatchError,
    NoEncoderError,
    SourceError,
)
from i2v_search.images.sample import find_moved_sample
from i2v_search.images.sources import Sources, Wanted, everything, image_root
from i2v_search.images.unread import Tally
from i2v_search.progress import Report
from i2v_search.store.catalogue import Catalogue, find_image
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import EncoderRecord, Manifest
from i2v_search.store.removals import read_removals
from i2v_search.store.writer import StoreWriter, WriterLock


def extract_features(
    directory: Path,
    images: Sources,
    options: BuildOptions,
    *,
    sync: bool,
    wanted: Wanted = everything,
    report: Report,
) -> tuple[Encoder, Extraction]:
    """Bring the feature store of a collection up to date; the collection is created if missing.

    Args and errors are those of `i2v_search.Collection.extract`.

    Returns:
        The encoder that was used, and what was done.
    """
    # The sources are looked at first: a misspelt folder must not leave an empty collection behind.
    images = several(images)
    root = image_root(images)
    require_similarity(options.similarity)
    with WriterLock(directory):
        manifest = Manifest.find(directory)
        loaded = load_makers(options, manifest)
        if is_given(loaded):
            raise NoEncoderError(
                f"the collection {directory} was made from vectors, and no encoder for pictures is known; "
                "add rows with add_vectors or i2v-search import, or build another with --collection"
            )
        manifest = begin_manifest(directory, manifest, loaded, options.similarity, root)
        manifest = lift_removals(directory, manifest, images, forget=options.forget_removals)
        place = Path(manifest.image_root)
        sidecars = open_sidecars(
            place, images, options.exclude, tally=Tally(), strict=options.strict, report=report
        )
        with closing(sidecars), closing(ColourNotes(directory)) as notes:
            writer = StoreWriter(directory, manifest)
            try:
                changes = extract(
                    writer,
                    images,
                    loaded,
                    sync=sync,
                    strict=options.strict,
                    exclude=options.exclude,
                    wanted=wanted,
                    removals=read_removals(directory, manifest.removals),
                    notes=notes,
                    sidecars=sidecars,
                    report=report,
                )
                writer.finish()
            finally:
                writer.close()
            notes.fill(images, exclude=options.exclude, wanted=wanted, report=report)
            fill_columns(directory, sidecars, find_scopes(images, place), wanted=wanted, report=report)
        note_mounts(directory)
        note_sources(directory, images)
        update_views(
            directory,
            images,
            loaded,
            wanted_views(directory, sketches=options.sketches, details=options.details),
            exclude=options.exclude,
            wanted=wanted,
            report=report,
        )
    return loaded, changes


def load_makers(options: BuildOptions, manifest: Manifest | None) -> Encoder:
    """Load the encoder, with its tagger, that is requested, or the collection's own; refuse any other.

    Raises:
        EncoderMismatchError: the collection's vectors or tags were made by another.
    """
    device = Device.of(options.device)
    encoder = resolve_encoder(options.encoder, manifest, device)
    return resolve_tagger(options.tagger, encoder, manifest, device)


def begin_manifest(
    directory: Path,
    manifest: Manifest | None,
    encoder: Encoder,
    similarity: SimilarityName | None,
    root: Path,
) -> Manifest:
    """Make sure that images can be added to a collection; the manifest of a new one is made and saved.

    Raises:
        SourceError: the folder that stored paths are relative to is not there. Whether it was moved or its
            disk is not connected cannot be told from here.
    """
    if manifest is None:
        tags = tagger_info(encoder)
        manifest = Manifest(
            encoder=EncoderRecord(**encoder.info.to_dict()),
            tagger=EncoderRecord(**tags.to_dict()) if tags else None,
            similarity=similarity or usual_similarity(encoder),
            image_root=str(root),
        )
        manifest.save(directory)
    elif sample := find_moved_sample(Path(manifest.image_root), root):
        # The same pictures, installed again with another environment.
        manifest = manifest.updated(image_root=str(sample))
        manifest.save(directory)
    elif root_is_away(manifest):
        raise SourceError(
            f"the image folder of this collection, {manifest.image_root!r}, does not exist, so nothing "
            "was changed; connect its disk or, if the images were moved, run: "
            f"i2v-search relocate {shlex.quote(manifest.image_root)} NEW_FOLDER --collection {directory}"
        )
    return manifest


def remove_rows(directory: Path, images: StoredImages) -> set[int]:
    """Mark images as removed, by id or stored path, and keep them out from now on.

    An image with the content of one that stays is kept out at its own path only.

    Returns:
        Their positions.

    Raises:
        QueryError: the collection holds no such image; nothing is removed then.
    """
    with WriterLock(directory):
        manifest = Manifest.load(directory)
        store = FeatureStore(directory, manifest)
        catalogue = Catalogue(store)
        positions = {find_image(store, catalogue, image, whole_path=True) for image in several(images)}
        removals = read_removals(directory, manifest.removals)
        writer = StoreWriter(directory, manifest)
        try:
            writer.remove(sorted(positions))
            writer.keep_out(removals.with_more(_removals_of(store, catalogue, positions)))
            writer.finish()
        finally:
            writer.close()
    return positions


def resolve_encoder(encoder: str | Encoder | None, manifest: Manifest | None, device: Device) -> Encoder:
    """Load the encoder requested, or the collection's own; refuse any other.

    Raises:
        EncoderMismatchError: the collection's vectors were made by another.
    """
    if encoder is None and manifest is not None and manifest.encoder.preprocessing == GIVEN:
        return GivenVectors(EncoderInfo(**manifest.encoder.model_dump()))
    name = encoder or (manifest.encoder.id if manifest else "lite")
    loaded = load_encoder(name, device) if isinstance(name, str) else name
    if manifest is not None:
        _require_same("encoder", loaded.info, manifest.encoder)
    return loaded


def resolve_tagger(
    tagger: str | None, encoder: Encoder, manifest: Manifest | None, device: Device
) -> Encoder:
    """Give an encoder the tagger requested, or the collection's own; refuse any other.

    Raises:
        EncoderMismatchError: the collection's tags were made by another, or without one.
    """
    name = tagger or (manifest.tagger.id if manifest and manifest.tagger else None)
    tags_itself = name == encoder.info.id and encoder.vocabulary is not None
    if name is None or tags_itself or isinstance(encoder, TaggedEncoder):
        tagged = encoder
    else:
        tagged = TaggedEncoder(encoder, load_tagger(name, device))
    if manifest is not None:
        _require_same("tagger", tagger_info(tagged), manifest.tagger)
    return tagged


def tagger_info(encoder: Encoder) -> EncoderInfo | None:
    """Identity of the tagger of an encoder, if it has one."""
    return encoder.tagger.info if isinstance(encoder, TaggedEncoder) else None


def _require_same(role: str, info: EncoderInfo | None, record: EncoderRecord | None) -> None:
    ours, theirs = info.to_dict() if info else {"id": None}, record.model_dump() if record else {"id": None}
    differing = [
        f"{key} {ours.get(key)!r} instead of {theirs.get(key)!r}"
        for key in {**ours, **theirs}
        if ours.get(key) != theirs.get(key)
    ]
    if differing:
        raise EncoderMismatchError(
            f"this collection uses another {role}: {'; '.join(differing)}; use that one "
            f"({theirs['id'] or 'none'}), or build a new collection with --collection"
        )
