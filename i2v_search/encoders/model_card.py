"""Card of an imported or trained model: what it is, its input and outputs, and the files it runs from."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from i2v_search.encoders.base import EncoderInfo
from i2v_search.encoders.networks.runtime import GRAPH, WEIGHTS

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
MAX_SIDE: Final = 4096
MAX_DIMENSION: Final = 65_536
MAX_TAGS: Final = 1_000_000
MAX_TOKENS: Final = 8192

TEXT_GRAPH, TOKENIZER, TEXT_MEAN = "text.onnx", "tokenizer.json", "text_mean.npy"
#: Added to a graph's name: its weights, where it does not hold them itself.
DATA: Final = ".data"
#: Large files that a model can have beside the one it runs.
FileName: TypeAlias = Literal["model.onnx.data", "text.onnx", "text.onnx.data", "tokenizer.json"]
OTHER_FILES: Final[tuple[FileName, ...]] = get_args(FileName)
#: Those of its text tower.
TEXT_FILES: Final = OTHER_FILES[1:]

Divisor: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Byte: TypeAlias = Annotated[int, Field(ge=0, le=255)]
Resize: TypeAlias = Literal["stretch", "pad", "letterbox", "crop"]
Resample: TypeAlias = Literal["bicubic", "bilinear"]
Activation: TypeAlias = Literal["none", "sigmoid", "softmax"]
Pooling: TypeAlias = Literal["none", "cls", "mean"]
TextInput: TypeAlias = Literal["ids", "mask", "positions", "types"]
TextCase: TypeAlias = Literal["keep", "lower", "canonical"]
Language: TypeAlias = Literal["en", "ja", "zh"]


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
        resize: how an image becomes square; see `resizing.fit_square`.
        resample: interpolation.
        pad_colour: RGB colour of the border of ``"pad"`` and ``"letterbox"``.
        exact: False for a model that an earlier release imported: it goes on to get the same pixels.
        output: name of the output that is the feature vector; None for a model that only tags.
        pooling: of a vector output with a row for each token: the first (``"cls"``) or their mean.
        tag_output: name of the output that holds the tags; None for a model that only encodes.
        activation: function that turns the tag output into probabilities.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(ge=8, le=MAX_SIDE)
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    channels: Literal["RGB", "BGR"] = "RGB"
    scale: Divisor = 1.0
    mean: tuple[FiniteFloat, FiniteFloat, FiniteFloat] = (0.0, 0.0, 0.0)
    std: tuple[Divisor, Divisor, Divisor] = (1.0, 1.0, 1.0)
    resize: Resize = "stretch"
    resample: Resample = "bicubic"
    pad_colour: tuple[Byte, Byte, Byte] = (255, 255, 255)
    exact: bool = True
    output: str | None = None
    pooling: Pooling = "none"
    tag_output: str | None = None
    activation: Activation = "none"

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs that are used, that of the vector first."""
        return [name for name in (self.output, self.tag_output) if name is not None]


class TextDescription(BaseModel):
    """Input preparation and output of a text tower.

    Attributes:
        inputs: names of the inputs by what they hold: token ``"ids"``, a ``"mask"`` that is 1 for tokens and
            0 for padding, ``"positions"`` 0, 1, 2, ..., and token ``"types"``, which are all 0.
        output: name of the output that is the feature vector.
        length: number of tokens; a longer text is cut, a shorter one is padded.
        pad: id of the padding token.
        case: ``"lower"`` for lower case, ``"canonical"`` for lower case without ASCII punctuation.
        pooling: as in `OnnxDescription`; padding does not count.
        language: language of the neutral texts whose mean is subtracted; see `neutral_texts`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    inputs: dict[TextInput, str]
    output: str
    length: int = Field(ge=2, le=MAX_TOKENS)
    pad: int = Field(ge=0)
    case: TextCase = "keep"
    pooling: Pooling = "none"
    language: Language = "en"


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
        text: the text tower of a foreign ONNX model; None without one.
        files: SHA-256 of its other large files, by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str = Field(pattern=NAME.pattern)
    kind: Literal["i2v-feature", "i2v-tag", "lite", "onnx"]
    precision: Literal["float32", "int8"] = "float32"
    source: str
    source_sha256: str
    weights_sha256: str
    preprocessing: str
    dimension: int | None = Field(default=None, ge=1, le=MAX_DIMENSION)
    tags: int | None = Field(default=None, ge=1, le=MAX_TAGS)
    onnx: OnnxDescription | None = None
    text: TextDescription | None = None
    files: dict[FileName, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _of_an_earlier_release(cls, fields: Any) -> Any:
        """Cards told by `logits` whether a sigmoid was needed when images were resized in another way."""
        onnx = fields.get("onnx") if isinstance(fields, dict) else None
        if not isinstance(onnx, dict) or "logits" not in onnx:
            return fields
        kept = {name: value for name, value in onnx.items() if name != "logits"}
        activation = "sigmoid" if onnx["logits"] else "none"
        return {**fields, "onnx": {**kept, "activation": activation, "exact": False}}

    @property
    def runs(self) -> str:
        """Name of the file whose content makes the model what it is."""
        return GRAPH if self.kind == "onnx" or self.precision == "int8" else WEIGHTS

    def info(self, dimension: int) -> EncoderInfo:
        """Identity that a collection records."""
        return EncoderInfo(self.name, self.weights_sha256, self.preprocessing, dimension)
