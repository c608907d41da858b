"""A text tower described by its files: its ONNX graph, its tokenizer, and what lies beside that."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from i2v_search.encoders.model_card import MAX_TOKENS, Language, Pooling, TextCase, TextDescription, TextInput
from i2v_search.encoders.onnx_graph import needed_inputs
from i2v_search.encoders.sentencepiece import tokenizer_json
from i2v_search.encoders.tokenizing import load_tokenizer
from i2v_search.errors import EncoderError
from i2v_search.files import read_regular

#: Names that exporters give to inputs.
_INPUTS: Final[dict[str, TextInput]] = {
    **dict.fromkeys(("input_ids", "text", "texts", "tokens", "token_ids", "ids"), "ids"),
    **dict.fromkeys(("attention_mask", "mask"), "mask"),
    **dict.fromkeys(("position_ids", "positions"), "positions"),
    "token_type_ids": "types",
}
#: Names that exporters give to an output of one vector, the best first.
_OUTPUTS: Final = (
    *("text_embeds", "text_features", "unnorm_text_features", "embedding", "text_embedding"),
    *("sentence_embedding", "pooler_output", "output"),
)


@dataclass(frozen=True)
class TextSource:
    """A text tower to import; what is None is read from its files.

    Attributes:
        tokenizer: ``tokenizer.json``, or the ``spiece.model`` of SentencePiece.
        model: its ONNX file; None: it is part of the file with the image tower.
        output: name of the vector output.
        inputs: names of the inputs; see `TextDescription`.
        length: number of tokens.
        pad: id of the padding token.
        case: see `TextDescription`.
        pooling: see `TextDescription`.
        language: see `TextDescription`.
    """

    tokenizer: Path
    model: Path | None = None
    output: str | None = None
    inputs: Mapping[TextInput, str] = field(default_factory=dict)
    length: int | None = None
    pad: int | None = None
    case: TextCase | None = None
    pooling: Pooling = "none"
    language: Language = "en"


def write_tokenizer(source: TextSource, target: Path) -> None:
    """Write the tokenizer of a text tower as a ``tokenizer.json``.

    Raises:
        EncoderError: it cannot be read.
    """
    if source.tokenizer.suffix == ".model":
        target.write_text(tokenizer_json(source.tokenizer), encoding="utf-8")
        return
    load_tokenizer(source.tokenizer)
    target.write_bytes(read_regular(source.tokenizer))


def describe_text(source: TextSource, model: Any, tokenizer: Path) -> TextDescription:
    """Describe a text tower.

    Args:
        source: what is known of it.
        model: the `onnx.ModelProto` that has it.
        tokenizer: from `write_tokenizer`.

    Raises:
        EncoderError: the files do not tell all; the message says which option does.
    """
    stated = json.loads(load_tokenizer(tokenizer).to_str())
    config = _beside(source.tokenizer)
    output = source.output or _output([entry.name for entry in model.graph.output])
    inputs = _inputs(source, needed_inputs(model, [output]))
    case: TextCase = "lower" if config.get("do_lower_case") is True else "keep"
    try:
        return TextDescription(
            inputs=inputs,
            output=output,
            length=source.length or _length(model, inputs["ids"], stated, config),
            pad=_pad(tokenizer, stated, config) if source.pad is None else source.pad,
            case=source.case or case,
            pooling=source.pooling,
            language=source.language,
        )
    except ValidationError as error:
        fault = error.errors()[0]
        raise EncoderError(f"text tower: {fault['loc'][0]}: {fault['msg']}, not {fault['input']}") from None


def _beside(tokenizer: Path) -> dict[str, Any]:
    """What ``tokenizer_config.json`` says, where it lies beside the tokenizer."""
    try:
        config = json.loads(read_regular(tokenizer.with_name("tokenizer_config.json")))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _output(given: Sequence[str]) -> str:
    found = given[0] if len(given) == 1 else next((name for name in _OUTPUTS if name in given), None)
    if found is None:
        raise EncoderError(f"name the vector output of the text tower with --text-output: {', '.join(given)}")
    return found


def _inputs(source: TextSource, needed: Sequence[str]) -> dict[TextInput, str]:
    found = dict(source.inputs) or {_INPUTS[name]: name for name in needed if name in _INPUTS}
    if len(needed) == 1 and not source.inputs:
        found = {"ids": needed[0]}
    if set(found.values()) != set(needed) or "ids" not in found:
        raise EncoderError(
            f"the text tower needs the inputs {', '.join(needed) or '(none)'}; say what they hold, such as "
            "--text-inputs ids=input0,mask=input1,positions=input2"
        )
    return found


def _length(model: Any, ids: str, stated: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    shapes = {entry.name: entry.type.tensor_type.shape.dim for entry in model.graph.input}
    axes = [axis.dim_value for axis in shapes.get(ids, ())]
    padding = ((stated.get("padding") or {}).get("strategy")) or {}
    lengths = (
        axes[1] if len(axes) == 2 else None,
        (stated.get("truncation") or {}).get("max_length"),
        padding.get("Fixed") if isinstance(padding, dict) else None,
        config.get("model_max_length"),
        config.get("max_length"),
    )
    for length in lengths:
        if isinstance(length, int) and 1 < length <= MAX_TOKENS:
            return length
    raise EncoderError(
        "the files do not tell the length of a text in tokens; give it, such as --text-length 77"
    )


def _pad(tokenizer: Path, stated: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    padding = stated.get("padding") or {}
    if "pad_id" in padding:
        return int(padding["pad_id"])
    token = config.get("pad_token")
    token = token.get("content") if isinstance(token, dict) else token
    found = load_tokenizer(tokenizer).token_to_id(token) if isinstance(token, str) else None
    if found is None:
        raise EncoderError(
            "the files do not tell the padding token; put tokenizer_config.json beside the tokenizer, or "
            "give its id, such as --text-pad 0"
        )
    return int(found)
