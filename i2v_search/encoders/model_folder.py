"""Models that a user imported or trained: a folder each, the imported ones in the user's data directory.

    NAME/model.json            what it is: `ModelCard`
    NAME/weights.safetensors   weights of Illustration2Vec or of a trained network, named as its layers are
    NAME/model.onnx            the graph; it refers to the weights beside it, unless it is of foreign making
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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from i2v_search.encoders.base import EncoderInfo
from i2v_search.encoders.networks.runtime import GRAPH, WEIGHTS
from i2v_search.errors import EncoderError
from i2v_search.files import file_sha256, naming, read_regular, sync_directory
from i2v_search.tags.lists import read_vocabulary
from i2v_search.tags.vocabulary import Vocabulary

CARD, TAGS, THRESHOLDS, MEAN = "model.json", "tags.json", "thresholds.npy", "mean.npy"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_BUILT_IN = frozenset({"lite", "lite0"})
MAX_SIDE: Final = 4096
MAX_DIMENSION: Final = 65_536
MAX_TAGS: Final = 1_000_000
#: After so long an unfinished folder belongs to a process that was killed, on whatever machine.
_OLD_SECONDS = 24 * 3600.0


Divisor: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class OnnxDescription(BaseModel):
    """Input preparation and outputs of a foreign ONNX model.

    A pixel value v in 0..255 becomes ``(v / scale - mean) / std``.

    Attributes:
        size: side of the square input in pixels.
        layout: ``"NCHW"`` or ``"NHWC"``.
        channels: ``"RGB"`` or ``"BGR"``; also the order of `mean` and `std`.
        scale: 1 keeps 0..255, 255 gives 0..1.
        mean: mean of each channel.
        std: standard deviation of each channel.
        resize: ``"stretch"`` to the square, ``"pad"`` on white, or ``"crop"`` the centre.
        output: name of the output that is the feature vector; None for a model that only tags.
        tag_output: name of the output that holds the tags; None for a model that only encodes.
        logits: whether the tag output still needs a sigmoid.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(ge=8, le=MAX_SIDE)
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    channels: Literal["RGB", "BGR"] = "RGB"
    scale: Divisor = 1.0
    mean: tuple[FiniteFloat, FiniteFloat, FiniteFloat] = (0.0, 0.0, 0.0)
    std: tuple[Divisor, Divisor, Divisor] = (1.0, 1.0, 1.0)
    resize: Literal["stretch", "pad", "crop"] = "stretch"
    output: str | None = None
    tag_output: str | None = None
    logits: bool = False

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs that are used, that of the vector first."""
        return [name for name in (self.output, self.tag_output) if name is not None]


class ModelCard(BaseModel):
    """Description of an imported model.

    Attributes:
        name: what users write after ``--encoder`` or ``--tagger``.
        kind: how it runs; ``"lite"`` and an ``"i2v-feature"`` with tags are trained networks that give both
            (`encoders.trained`).
        precision: precision of its weights; an int8 graph holds them itself.
        source: name of the file it came from, and its SHA-256.
        weights_sha256: SHA-256 of the weights of the file that is run.
        preprocessing: names the way an image becomes its input.
        dimension: dimension of its feature vector; None if it gives none.
        tags: how many tags it gives; None if it gives none.
        onnx: the input of a foreign ONNX model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str = Field(pattern=_NAME.pattern)
    kind: Literal["i2v-feature", "i2v-tag", "lite", "onnx"]
    precision: Literal["float32", "int8"] = "float32"
    source: str
    source_sha256: str
    weights_sha256: str
    preprocessing: str
    dimension: int | None = Field(default=None, ge=1, le=MAX_DIMENSION)
    tags: int | None = Field(default=None, ge=1, le=MAX_TAGS)
    onnx: OnnxDescription | None = None

    @property
    def runs(self) -> str:
        """Name of the file whose content makes the model what it is."""
        return GRAPH if self.kind == "onnx" or self.precision == "int8" else WEIGHTS

    def info(self, dimension: int) -> EncoderInfo:
        """Identity that a collection records."""
        return EncoderInfo(self.name, self.weights_sha256, self.preprocessing, dimension)


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
    for name in filter(_NAME.fullmatch, names):
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
    if _NAME.fullmatch(name) and path.exists():
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
    if not _NAME.fullmatch(name) or not (folder / CARD).exists():
        raise EncoderError(f"no imported model {name!r}; see i2v-search models list")
    shutil.rmtree(folder)


def check_name(name: str) -> None:
    """Check that a model can be called so.

    Raises:
        EncoderError: the name is not usable, or taken.
    """
    if not _NAME.fullmatch(name) or name in _BUILT_IN:
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
    """Compare the file that a model runs with its checksum; returns the model's folder.

    Raises:
        EncoderError: it differs or is missing.
    """
    folder = model_folder(card)
    try:
        actual = file_sha256(folder / card.runs)
    except OSError as error:
        raise EncoderError(f"model {card.name!r} cannot be read: {error}; import it again") from error
    if actual != card.weights_sha256:
        raise EncoderError(
            f"{folder / card.runs} differs from its checksum; run: i2v-search models remove {card.name}, "
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
