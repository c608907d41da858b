"""Published models imported by their name, or recognised when their file is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from i2v_search.encoders.importing import TRIAL_SECONDS, Companions, import_onnx, import_weights
from i2v_search.encoders.known_models import (
    TEXT_ROLES,
    Catalogue,
    KnownFile,
    KnownModel,
    Role,
    shipped_catalogue,
)
from i2v_search.encoders.model_card import ModelCard
from i2v_search.encoders.model_files import Where, keep_origin, obtain, read_origin
from i2v_search.encoders.model_folder import check_name, find_model, model_folder, remove_model
from i2v_search.encoders.onnx_outline import read_outline
from i2v_search.encoders.recognising import recognise
from i2v_search.encoders.text_import import TextSource
from i2v_search.errors import EncoderError, TagError
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
    roles = {file.role for file in known.files} - {"model"}
    without_text = bool(known.text) and find_spec("tokenizers") is None
    if without_text:
        roles -= {*TEXT_ROLES}
    wanted = [file for file in known.files if file in missing or file.role in roles]
    with obtain(known, wanted, where, report=report) as files:
        done: list[ModelCard] = []
        try:
            for file in missing:
                done.append(_import(catalogue, known, file, _with(file, files.paths), seconds=seconds))
                keep_origin(model_folder(done[-1]), files.origin())
        except BaseException:
            for card in done:
                remove_model(card.name)
            raise
    cards.update(zip(missing, done, strict=True))
    notes = tuple(files.notes)
    if without_text:
        notes += (
            "without its text tower: pip install 'i2v-search[text]', remove the model and get it again",
        )
    return Imported(_given(cards), notes)


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
        file: the model file; its tag list, its text tower and its tokenizer may lie beside it, called as in
            the catalogue.
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
    found = recognise(file, catalogue)
    if found is None:
        return None
    known, part = found.known, found.file
    if known.unsupported:
        raise EncoderError(f"{file} is {known.title}, which is not yet supported: {known.unsupported}")
    given = {other.role: path for other in known.files if (path := _beside(file, part, other))}
    paths: dict[Role, Path] = {**given, "model": file}
    if companions.tags is not None:
        paths["tags"] = companions.tags
    notes = [f"{file.name} is {known.title}, by {found.by}"]
    missing = {other.role: other.name for other in known.files if other.role not in paths}
    if "tags" in missing and known.like is not None:
        raise TagError(f"{notes[0]}; put its tag list {missing['tags']} beside it")
    if known.text and not missing.keys().isdisjoint(TEXT_ROLES):
        notes.append(f"without its text tower: {' and '.join(missing.values())} would have to lie beside it")
    if not found.exactly:  # another training, with a name and thresholds of its own
        name, known = name or known.like, known.model_copy(update={"thresholds": None})
    card = _import(catalogue, known, part, paths, name=name, companions=companions, seconds=seconds)
    return Imported((card,), tuple(notes))


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


def _with(part: KnownFile, paths: Mapping[KnownFile, Path]) -> dict[Role, Path]:
    """A file to import and those that belong to it, by what they are to the import."""
    return {**{file.role: path for file, path in paths.items()}, "model": paths[part]}


def _import(
    catalogue: Catalogue,
    known: KnownModel,
    part: KnownFile,
    paths: Mapping[Role, Path],
    *,
    name: str | None = None,
    companions: Companions = Companions(),
    seconds: float,
) -> ModelCard:
    """Import one file of a model, with the others that are given."""
    name, file, tags = name or part.installs or known.name, paths["model"], paths.get("tags")
    if known.like is None:
        (card,) = import_weights(file, name=name, companions=replace(companions, tags=tags))
        return card
    return import_onnx(
        file,
        name=name,
        description=catalogue.description(known, list(read_outline(file).outputs)),
        tags=tags,
        thresholds=companions.thresholds or known.thresholds,
        text=_text_source(known, paths),
        seconds=seconds,
    )


def _text_source(known: KnownModel, paths: Mapping[Role, Path]) -> TextSource | None:
    """The text tower; None where the model has none or a file of it is missing."""
    tokenizer, model = paths.get("tokenizer"), paths.get("text")
    if tokenizer is None or (model is None and known.of_role("text")):
        return None
    return TextSource(tokenizer=tokenizer, model=model, **known.text)


def _beside(file: Path, part: KnownFile, other: KnownFile) -> Path | None:
    """Another file of a model, in the folder of one of them or where it lies in the repository."""
    root = file.parents[min(part.path.count("/"), len(file.parents) - 1)]
    name = other.path.rpartition("/")[2]
    places = (file.with_name(other.name), file.with_name(name), root / other.path)
    return next((place for place in places if place.is_file()), None)
