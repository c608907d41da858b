"""Published models imported by their name, or recognised when their file is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from i2v_search.encoders.importing import TRIAL_SECONDS, Companions, import_onnx, import_weights
from i2v_search.encoders.known_models import Catalogue, KnownFile, KnownModel, shipped_catalogue
from i2v_search.encoders.model_card import ModelCard, OnnxDescription
from i2v_search.encoders.model_files import Where, keep_origin, obtain, read_origin
from i2v_search.encoders.model_folder import check_name, find_model, model_folder, remove_model
from i2v_search.encoders.onnx_outline import Outline, Shape, read_outline
from i2v_search.errors import EncoderError, TagError, WeightsError
from i2v_search.files import file_sha256
from i2v_search.progress import Report, silent


@dataclass(frozen=True)
class Imported:
    """A published model that was imported.

    Attributes:
        cards: the models made of it.
        notes: what is to be known of its files, one line each.
    """

    cards: tuple[ModelCard, ...]
    notes: tuple[str, ...] = ()

    @property
    def options(self) -> str:
        """Options of a build that uses it."""
        encoder = next((card.name for card in self.cards if card.dimension), None)
        tagger = next((card.name for card in self.cards if card.tags and card.name != encoder), None)
        given = {"--encoder": encoder, "--tagger": tagger}
        return " ".join(f"{option} {name}" for option, name in given.items() if name)


def get_model(
    name: str,
    where: Where = Where(),
    *,
    catalogue: Catalogue | None = None,
    seconds: float = TRIAL_SECONDS,
    report: Report = silent,
) -> Imported:
    """Import a model of the catalogue, its files downloaded or from a folder.

    What is imported already stays as it is. A call after one that was interrupted continues it; one that
    fails imports nothing.

    Args:
        name: its name in the catalogue.
        where: where its files come from.
        catalogue: the catalogue; None is the one that comes with the package.
        seconds: that the trial of an ONNX model may take.
        report: called with the bytes of each file.

    Raises:
        EncoderError: there is no such model, it cannot be imported yet, or a name is taken.
        DownloadError: a file cannot be fetched, or is not what the catalogue says.
    """
    catalogue = catalogue or shipped_catalogue()
    known = catalogue.find(name)
    if known.unsupported:
        raise EncoderError(f"{name} is not yet supported: {known.unsupported}")
    cards = {file: _imported_from(file, known) for file in known.of_role("model")}
    missing = [file for file, card in cards.items() if card is None]
    if not missing:
        return Imported(_given(cards), (f"{name} is imported already",))
    wanted = [file for file in known.files if file in missing or file.role != "model"]
    with obtain(known, wanted, where, report=report) as files:
        done: list[ModelCard] = []
        try:
            for file in missing:
                done.append(_import(catalogue, known, file, files.paths, seconds=seconds))
                keep_origin(model_folder(done[-1]), files.origin())
        except BaseException:
            for card in done:
                remove_model(card.name)
            raise
    cards.update(zip(missing, done, strict=True))
    return Imported(_given(cards), tuple(files.notes))


def import_known(
    file: Path,
    name: str | None = None,
    *,
    companions: Companions = Companions(),
    catalogue: Catalogue | None = None,
    seconds: float = TRIAL_SECONDS,
) -> Imported | None:
    """Import a file that the catalogue knows by its SHA-256, or else by its input and its number of tags.

    Args:
        file: the model file; the tag list may lie beside it, called as in the catalogue.
        name: name of the model; None takes that of the catalogue.
        companions: files that belong to it, in place of those beside it.
        catalogue: the catalogue; None is the one that comes with the package.
        seconds: that the trial of an ONNX model may take.

    Returns:
        None if the file is not known.

    Raises:
        EncoderError: it is known, but cannot be imported; or the name is taken.
        TagError: its tag list is missing.
    """
    catalogue = catalogue or shipped_catalogue()
    found, by = _with_same_hash(file, catalogue), "its SHA-256"
    if found is None:
        found, by = _with_same_outline(file, catalogue), "its input and its number of tags"
        name = name or (found and found[0].like)  # its weights are others
    if found is None:
        return None
    known, part = found
    if known.unsupported:
        raise EncoderError(f"{file} is {known.title}, which is not yet supported: {known.unsupported}")
    paths = {part: file}
    for companion in known.of_role("tags"):
        tags = companions.tags or _beside(file, companion)
        if tags is not None:
            paths[companion] = tags
        elif known.like is not None:
            raise TagError(f"{file} is {known.title}, by {by}; put its tag list {companion.name} beside it")
    card = _import(catalogue, known, part, paths, name=name, companions=companions, seconds=seconds)
    return Imported((card,), (f"{file.name} is {known.title}, by {by}",))


def _imported_from(file: KnownFile, known: KnownModel) -> ModelCard | None:
    """The card of the model that was made of a file, None if there is none.

    Raises:
        EncoderError: another model has its name.
    """
    name = file.installs or known.name
    card = find_model(name)
    if card is None:
        check_name(name)
        return None
    recorded = file.sha256 is not None and card.source_sha256.startswith(file.sha256)
    origin = read_origin(model_folder(card))
    if not recorded and (origin is None or origin.name != known.name):
        raise EncoderError(f"another model is called {name!r}; run: i2v-search models remove {name}")
    return card


def _given(cards: Mapping[KnownFile, ModelCard | None]) -> tuple[ModelCard, ...]:
    return tuple(card for card in cards.values() if card is not None)


def _import(
    catalogue: Catalogue,
    known: KnownModel,
    part: KnownFile,
    paths: Mapping[KnownFile, Path],
    *,
    name: str | None = None,
    companions: Companions = Companions(),
    seconds: float,
) -> ModelCard:
    """Import one file of a model, with the others that are given."""
    name, file = name or part.installs or known.name, paths[part]
    tags = next((path for other, path in paths.items() if other.role == "tags"), None)
    if known.like is None:
        (card,) = import_weights(file, name=name, companions=replace(companions, tags=tags))
        return card
    description = catalogue.description(known, list(read_outline(file).outputs))
    return import_onnx(file, name=name, description=description, tags=tags, seconds=seconds)


def _with_same_hash(file: Path, catalogue: Catalogue) -> tuple[KnownModel, KnownFile] | None:
    try:
        return next(catalogue.with_hash(file_sha256(file)), None)
    except OSError:
        return None  # the importer says what is wrong with it


def _with_same_outline(file: Path, catalogue: Catalogue) -> tuple[KnownModel, KnownFile] | None:
    """The first tagger of the catalogue with the same input and as many tags."""
    try:
        outline = read_outline(file)
    except WeightsError:
        return None
    for known in catalogue.model:
        if known.tags is None or known.like is None:
            continue
        try:
            description = catalogue.description(known, list(outline.outputs))
        except EncoderError:
            continue
        if _fits(outline, description, known.tags):
            return known, known.of_role("model")[0]
    return None


def _fits(outline: Outline, description: OnnxDescription, tags: int) -> bool:
    shape = outline.outputs.get(description.tag_output or "", ())
    side = description.size
    image = (3, side, side) if description.layout == "NCHW" else (side, side, 3)
    return shape[-1:] == (tags,) and any(_takes(given, image) for given in outline.inputs.values())


def _takes(shape: Shape, image: tuple[int, ...]) -> bool:
    return len(shape) == 4 and all(have in {None, want} for have, want in zip(shape[1:], image, strict=True))


def _beside(file: Path, companion: KnownFile) -> Path | None:
    names = (companion.name, companion.path.rpartition("/")[2])
    return next((file.with_name(name) for name in names if file.with_name(name).is_file()), None)
