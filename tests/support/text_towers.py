"""Small text towers as others export them, each with a known answer, and the tokenizers beside them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

WORDS = ("<pad>", "</s>", "[CLS]", "<|startoftext|>", "[UNK]", "a", "cat", "red", "house", "DOG", "dog", "in")
#: CLIP's end of text has the largest id, by which its export finds it.
END = "<|endoftext|>"
VOCABULARY = {word: place for place, word in enumerate((*WORDS, END))}


def token_table(dimension: int = 3) -> NDArray[np.float32]:
    """The vector of each token."""
    return np.random.default_rng(7).normal(size=(len(VOCABULARY), dimension)).astype(np.float32)


def text_tower(
    path: Path,
    *,
    inputs: Mapping[str, int],
    outputs: Mapping[str, str],
    shape: Sequence[int | str] = ("n", "tokens"),
    dtype: int = TensorProto.FLOAT,
    dimension: int = 3,
) -> Path:
    """A model that looks up a vector for each token, and adds to it those of all that the mask keeps.

    Args:
        path: to write.
        inputs: types by name: the first are the token ids, the second a mask; others are added to the
            vectors.
        outputs: by name which token's vector becomes it: ``"all"``, ``"first"``, ``"last"``, ``"end"`` (that
            of the largest id), ``"mean"`` of those that the mask keeps, or ``"same"`` for every text.
        shape: of every input.
        dtype: of the vectors.
        dimension: of the vectors.
    """
    ids, *others = inputs
    nodes = [helper.make_node("Cast", [name], [f"{name}_"], to=TensorProto.INT64) for name in inputs]
    if not others:
        nodes.append(helper.make_node("Add", [f"{ids}_", "one"], ["positive"]))
        nodes.append(helper.make_node("Sign", ["positive"], ["mask_"]))
    mask = f"{others[0]}_" if others else "mask_"
    nodes.append(helper.make_node("Gather", ["table", f"{ids}_"], ["single"]))
    single = "single"
    for name in others[1:]:
        nodes += [
            helper.make_node("CastLike", [f"{name}_", "table"], [f"{name}_flat"]),
            helper.make_node("Unsqueeze", [f"{name}_flat", "two"], [f"{name}_column"]),
            helper.make_node("Add", [single, f"{name}_column"], [f"{name}_sum"]),
        ]
        single = f"{name}_sum"
    nodes += [
        helper.make_node("CastLike", [mask, "table"], ["weights"]),
        helper.make_node("Unsqueeze", ["weights", "two"], ["column"]),
        helper.make_node("Mul", [single, "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "axis"], ["sum"], keepdims=1),
        helper.make_node("Add", [single, "sum"], ["vectors"]),
    ]
    for name, how in outputs.items():
        nodes += _pooled(name, how, ids)
    constants = {
        "table": token_table(dimension).astype(helper.tensor_dtype_to_np_dtype(dtype)),
        "one": np.array(1, np.int64),
        "first": np.array(0, np.int64),
        "last": np.array(-1, np.int64),
        "axis": np.array([1], np.int64),
        "two": np.array([2], np.int64),
        "on_off": np.array([0, 1], helper.tensor_dtype_to_np_dtype(dtype)),
    }
    graph = helper.make_graph(
        nodes,
        "text",
        [helper.make_tensor_value_info(name, kind, list(shape)) for name, kind in inputs.items()],
        [
            helper.make_tensor_value_info(name, dtype, ["n", *["tokens"] * (how == "all"), dimension])
            for name, how in outputs.items()
        ],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def _pooled(name: str, how: str, ids: str) -> list[Any]:
    if how == "all":
        return [helper.make_node("Identity", ["vectors"], [name])]
    if how in {"first", "last"}:
        return [helper.make_node("Gather", ["vectors", how], [name], axis=1)]
    if how == "same":
        return [
            helper.make_node("Gather", ["single", "first"], [f"{name}_0"], axis=1),
            helper.make_node("Sub", [f"{name}_0", f"{name}_0"], [name]),
        ]
    if how == "end":
        return [
            helper.make_node("ArgMax", [f"{ids}_"], [f"{name}_at"], axis=1, keepdims=0),
            helper.make_node("Shape", [f"{ids}_"], [f"{name}_shape"]),
            helper.make_node("Gather", [f"{name}_shape", "axis"], [f"{name}_tokens"]),
            helper.make_node("OneHot", [f"{name}_at", f"{name}_tokens", "on_off"], [f"{name}_hot"]),
            helper.make_node("Unsqueeze", [f"{name}_hot", "two"], [f"{name}_column"]),
            helper.make_node("Mul", ["vectors", f"{name}_column"], [f"{name}_only"]),
            helper.make_node("ReduceSum", [f"{name}_only", "axis"], [name], keepdims=0),
        ]
    return [
        helper.make_node("Mul", ["vectors", "column"], [f"{name}_kept"]),
        helper.make_node("ReduceSum", [f"{name}_kept", "axis"], [f"{name}_sum"], keepdims=0),
        helper.make_node("ReduceSum", ["weights", "axis"], [f"{name}_count"], keepdims=1),
        helper.make_node("Div", [f"{name}_sum", f"{name}_count"], [name]),
    ]


def tokenizer_json(
    path: Path, *, before: str | None = None, behind: str | None = None, **stated: Any
) -> Path:
    """A tokenizer of whole words, split at blanks and signs.

    Args:
        path: to write.
        before: special token before each text.
        behind: special token behind it.
        stated: other parts, such as ``padding``.
    """
    marks = [mark for mark in (before, behind) if mark]
    parts: list[dict[str, Any]] = [{"Sequence": {"id": "A", "type_id": 0}}]
    if before:
        parts.insert(0, {"SpecialToken": {"id": before, "type_id": 0}})
    if behind:
        parts.append({"SpecialToken": {"id": behind, "type_id": 0}})
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": parts,
            "pair": parts,
            "special_tokens": {
                mark: {"id": mark, "ids": [VOCABULARY[mark]], "tokens": [mark]} for mark in marks
            },
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": VOCABULARY, "unk_token": "[UNK]"},
        **stated,
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def spiece_model(path: Path, pieces: Sequence[tuple[str, float, int]], **trainer: int) -> Path:
    """A model of SentencePiece from pieces with score and type; `trainer` has ``model_type`` and the like."""
    numbers = {"model_type": 3, "byte_fallback": 35, "unk_id": 40}
    content = b""
    for text, score, kind in pieces:
        piece = _bytes(1, text.encode()) + b"\x15" + struct.pack("<f", score) + _integer(3, kind)
        content += _bytes(1, piece)
    content += _bytes(2, b"".join(_integer(numbers[name], value) for name, value in trainer.items()))
    path.write_bytes(content + _bytes(3, _bytes(1, b"identity")))
    return path


def _bytes(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    low = bytes([value & 0x7F | (0x80 if value > 0x7F else 0)])
    return low + (_varint(value >> 7) if value > 0x7F else b"")
