"""``spiece.model`` files of SentencePiece as a ``tokenizer.json``, without SentencePiece.

Format: ``sentencepiece_model.proto``, ModelProto. Only unigram models are read (T5, SigLIP, LINE's Japanese
CLIP); models with byte pairs come with a ``tokenizer.json`` everywhere.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from i2v_search.encoders.filemap import map_file
from i2v_search.encoders.weights.protobuf import FIXED32, LENGTH, Field, WireReader
from i2v_search.errors import EncoderError

_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_PIECE, _SCORE, _TYPE = 1, 2, 3
_MODEL_TYPE, _BYTE_FALLBACK, _UNKNOWN_ID = 3, 35, 40
_CHARSMAP, _DUMMY_PREFIX = 2, 3
_UNIGRAM: Final = 1
_USER_DEFINED: Final = 4
#: The largest vocabularies in use have 256,000 pieces, of at most four fields each.
_MAX_FIELDS: Final = 2_000_000


@dataclass(frozen=True)
class _Piece:
    text: str
    score: float
    type: int


def tokenizer_json(path: Path) -> str:
    """Read a ``spiece.model`` and give what it says as a ``tokenizer.json``.

    ``[CLS]`` is put before a text where the model has it, as LINE's Japanese CLIP needs it; otherwise
    ``</s>`` behind it, as T5 and SigLIP do. Padding is ``[PAD]`` or ``<pad>``.

    Raises:
        WeightsError: the file is damaged.
        EncoderError: it is not a unigram model.
    """
    reader = WireReader(map_file(path), path, most_fields=_MAX_FIELDS)
    pieces: list[_Piece] = []
    trainer: dict[int, int] = {}
    normalizer: dict[int, Any] = {}
    for field in reader.fields():
        if field.number == _PIECES:
            pieces.append(_read_piece(reader, field))
        elif field.number == _TRAINER:
            inside = reader.inside(field, "a trainer")
            trainer = {entry.number: entry.value for entry in inside}
        elif field.number == _NORMALIZER:
            for entry in reader.inside(field, "a normalizer"):
                content = bytes(reader.data[entry.start : entry.end]) if entry.wire == LENGTH else entry.value
                normalizer[entry.number] = content
    if trainer.get(_MODEL_TYPE, _UNIGRAM) != _UNIGRAM or not pieces:
        raise EncoderError(
            f"{path} is not a unigram model of SentencePiece; give the tokenizer.json of the model, which "
            "AutoTokenizer.from_pretrained(...).save_pretrained(...) of transformers writes"
        )
    return json.dumps(_document(pieces, trainer, normalizer))


def _read_piece(reader: WireReader, message: Field) -> _Piece:
    text, score, kind = "", 0.0, 1
    for field in reader.inside(message, "a piece"):
        if field.number == _PIECE:
            text = reader.text(field, "a piece")
        elif field.number == _SCORE:
            reader.require(field, FIXED32, "a score")
            (score,) = struct.unpack("<f", reader.data[field.start : field.start + 4])
        elif field.number == _TYPE:
            kind = reader.integer(field, "a type")
    return _Piece(text, score, kind)


def _document(
    pieces: Sequence[_Piece], trainer: dict[int, int], normalizer: dict[int, Any]
) -> dict[str, Any]:
    places = {piece.text: place for place, piece in enumerate(pieces)}
    steps: list[dict[str, Any]] = [{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]
    if charsmap := normalizer.get(_CHARSMAP):
        encoded = base64.b64encode(charsmap).decode()
        steps.insert(0, {"type": "Precompiled", "precompiled_charsmap": encoded})
    scheme = "always" if normalizer.get(_DUMMY_PREFIX, 1) else "never"
    pad = next((token for token in ("[PAD]", "<pad>") if token in places), None)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None
        if pad is None
        else {
            "strategy": "BatchLongest",
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": places[pad],
            "pad_type_id": 0,
            "pad_token": pad,
        },
        "added_tokens": [
            {
                "id": places[piece.text],
                "content": piece.text,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": False,
            }
            for piece in pieces
            if piece.type == _USER_DEFINED
        ],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": {
            "type": "Metaspace",
            "replacement": "▁",
            "prepend_scheme": scheme,
            "split": False,
        },
        "post_processor": _template(places),
        "decoder": None,
        "model": {
            "type": "Unigram",
            "unk_id": trainer.get(_UNKNOWN_ID, 0),
            "vocab": [[piece.text, piece.score] for piece in pieces],
            "byte_fallback": bool(trainer.get(_BYTE_FALLBACK, 0)),
        },
    }


def _template(places: dict[str, int]) -> dict[str, Any] | None:
    special = next((token for token in ("[CLS]", "</s>") if token in places), None)
    if special is None:
        return None
    text: dict[str, Any] = {"Sequence": {"id": "A", "type_id": 0}}
    mark: dict[str, Any] = {"SpecialToken": {"id": special, "type_id": 0}}
    single = [mark, text] if special == "[CLS]" else [text, mark]
    tokens = {special: {"id": special, "ids": [places[special]], "tokens": [special]}}
    return {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": tokens}
