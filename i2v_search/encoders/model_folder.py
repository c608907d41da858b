"""Models that a user imported or trained: a folder each, the imported ones in the user's data directory.

    NAME/model.json            what it is: `ModelCard`
    NAME/weights.safetensors   weights of Illustration2Vec or of a trained network, named as its layers are
    NAME/model.onnx            the graph; it refers to the weights beside it, unless it is of foreign making
    NAME/text.onnx             the text tower of a foreign model, with tokenizer.json and text_mean.npy
    NAME/*.onnx.data           weights of such a graph that are too large for it
    NAME/tags.json             the vocabulary of a tag head, with thresholds.npy if there are any
    NAME/mean.npy              an image mean, where the published channel means are not used

The directory is ``$I2V_SEARCH_MODELS``, or ``models`` in the user's data directory. A trained model's folder
is used where it lies, by its path.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_data_path
from pydantic import ValidationError

from i2v_search.encoders.model_card import NAME, TEXT_FILES, ModelCard
from i2v_search.errors import EncoderError
from i2v_search.files import file_sha256, naming, read_regular, sync_directory
from i2v_search.tags.lists import read_vocabulary
from i2v_search.tags.vocabulary import Vocabulary

CARD, TAGS, THRESHOLDS, MEAN = "model.json", "tags.json", "thresholds.npy", "mean.npy"
_BUILT_IN = frozenset({"lite", "lite0"})
#: After so long an unfinished folder belongs to a process that was killed, on whatever machine.
_OLD_SECONDS = 24 * 3600.0


def models_directory() -> Path:
    """Directory of the imported models."""
    chosen = os.environ.get("I2V_SEARCH_MODELS")
    return Path(chosen) if chosen else user_data_path("i2v-search") / "models"


def installed_models() -> list[ModelCard]:
    """Cards of all imported models, by name, but for those of `broken_models`."""
    return [card for card in _installed() if isinstance(card, ModelCard)]


def broken_models() -> list[str]:
    """Problems of unusable imported models with the remedy, one line each."""
    return [str(error) for error in _installed() if isinstance(error, EncoderError)]


def _installed() -> Iterator[ModelCard | EncoderError]:
    names = sorted(path.parent.name for path in models_directory().glob(f"*/{CARD}"))
    for name in filter(NAME.fullmatch, names):
        try:
            card = find_model(name)
        except EncoderError as error:
            yield error
        else:
            if card is not None:
                yield card


def find_model(name: str) -> ModelCard | None:
    """Card of an imported model, or of the model in a folder; None if there is neither of that name.

    A folder's card is named by its resolved path, so that a collection finds the model again.

    Raises:
        EncoderError: its card is not valid.
    """
    path = models_directory() / name / CARD
    if NAME.fullmatch(name) and path.exists():
        card = _read_card(path, f"run: i2v-search models remove {name}")
        return card.model_copy(update={"name": name})  # its folder may have been renamed or copied
    folder = Path(name)
    if name and "\0" not in name and (folder / CARD).is_file():
        card = _read_card(folder / CARD, "train or copy it again")
        return card.model_copy(update={"name": os.fspath(folder.resolve())})
    return None


def _read_card(path: Path, remedy: str) -> ModelCard:
    try:
        return ModelCard.model_validate_json(read_regular(path))
    except (ValidationError, OSError) as error:
        raise EncoderError(f"{path} is not a valid model card; {remedy}") from error


def model_folder(card: ModelCard) -> Path:
    """Folder of a model."""
    folder = Path(card.name)
    return folder if folder.is_absolute() else models_directory() / card.name


def remove_model(name: str) -> None:
    """Delete an imported model.

    Raises:
        EncoderError: there is no such model.
    """
    folder = models_directory() / name
    if not NAME.fullmatch(name) or not (folder / CARD).exists():
        raise EncoderError(f"no imported model {name!r}; see i2v-search models list")
    shutil.rmtree(folder)


def check_name(name: str) -> None:
    """Check that a model can be called so.

    Raises:
        EncoderError: the name is not usable, or taken.
    """
    if not NAME.fullmatch(name) or name in _BUILT_IN:
        raise EncoderError(
            f"{name!r} is not a valid model name; use a-z, 0-9, '.', '_' and '-', and not 'lite' or 'lite0'"
        )
    folder = models_directory() / name
    if folder.exists():
        remedy = f"run: i2v-search models remove {name}" if (folder / CARD).exists() else f"delete {folder}"
        raise EncoderError(f"model {name!r} exists; choose another --name, or {remedy}")


@contextmanager
def new_model(name: str) -> Iterator[Path]:
    """A folder to put a model's files into; it takes the model's name only when everything is written.

    Raises:
        EncoderError: the name is not usable, or taken.
    """
    check_name(name)
    directory = models_directory()
    _sweep(directory)
    temporary = directory / f".{name}.{_node()}.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        with naming(directory / name):
            yield temporary
            temporary.rename(directory / name)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_directory(directory)


def _sweep(directory: Path) -> None:
    """Remove the folders that killed processes left."""
    for folder in directory.glob(".*.tmp"):
        node, _, process = folder.stem.rpartition(".")
        ours = node.rpartition(".")[2] == _node() and process.isdigit()
        with suppress(OSError):
            old = time.time() - folder.stat().st_mtime > _OLD_SECONDS
            if old or (ours and not _runs(int(process))):
                shutil.rmtree(folder, ignore_errors=True)


def _node() -> str:
    """This machine's name: others may share the directory, and their processes cannot be checked."""
    return re.sub(r"\W", "-", platform.node())


def _runs(process: int) -> bool:
    if process == os.getpid() or os.name == "nt":  # where signal 0 is not a question
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def check_model(card: ModelCard) -> Path:
    """Compare the files that a model runs on images with their checksums; returns the model's folder.

    Raises:
        EncoderError: one differs or is missing.
    """
    expected: dict[str, str] = {card.runs: card.weights_sha256}
    expected.update((name, digest) for name, digest in card.files.items() if name not in TEXT_FILES)
    return _check_files(card, expected)


def check_text(card: ModelCard) -> Path:
    """Compare the files of a model's text tower with their checksums; returns the model's folder.

    Raises:
        EncoderError: one differs or is missing.
    """
    return _check_files(card, {name: card.files[name] for name in TEXT_FILES if name in card.files})


def _check_files(card: ModelCard, expected: Mapping[str, str]) -> Path:
    folder = model_folder(card)
    for name, digest in expected.items():
        try:
            actual = file_sha256(folder / name)
        except OSError as error:
            raise EncoderError(f"model {card.name!r} cannot be read: {error}; import it again") from error
        if actual != digest:
            raise EncoderError(
                f"{folder / name} differs from its checksum; run: i2v-search models remove {card.name}, "
                "then import it again"
            )
    return folder


def write_vocabulary(folder: Path, vocabulary: Vocabulary) -> None:
    """Keep a vocabulary and its thresholds in a model's folder."""
    (folder / TAGS).write_text(json.dumps(vocabulary.to_list()), encoding="utf-8")
    if vocabulary.thresholds is not None:
        np.save(folder / THRESHOLDS, vocabulary.thresholds, allow_pickle=False)


def load_vocabulary(folder: Path, count: int) -> Vocabulary:
    """Read what `write_vocabulary` kept.

    Raises:
        TagError: the file does not hold `count` tags.
    """
    vocabulary = read_vocabulary(folder / TAGS, count=count)
    thresholds = load_array(folder / THRESHOLDS)
    return vocabulary if thresholds is None else vocabulary.with_thresholds(thresholds)


def load_array(path: Path) -> NDArray[np.float32] | None:
    """Read a small array of a model's folder, None if there is none.

    Raises:
        EncoderError: the file is not an array of numbers.
    """
    try:
        array = np.load(io.BytesIO(read_regular(path)), allow_pickle=False)
        return np.asarray(array, np.float32)
    except FileNotFoundError:
        return None
    except (ValueError, OSError, EOFError, TypeError) as error:
        raise EncoderError(f"{path} is not an array ({error}); import the model again") from error
