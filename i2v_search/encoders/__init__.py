"""Encoders: image -> vector, and tags where an encoder has a tag head."""

from i2v_search.encoders.base import (
    Encoder,
    EncoderInfo,
    Encoding,
    TaggedEncoder,
    Tagger,
    encode_images,
)
from i2v_search.encoders.registry import (
    encoder_names,
    load_encoder,
    load_tagger,
    register_encoder,
    tagger_names,
)

__all__ = [
    "Encoder",
    "EncoderInfo",
    "Encoding",
    "TaggedEncoder",
    "Tagger",
    "encode_images",
    "encoder_names",
    "load_encoder",
    "load_tagger",
    "register_encoder",
    "tagger_names",
]
