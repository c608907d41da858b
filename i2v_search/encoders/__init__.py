"""Encoders: image -> vector, and tags where an encoder has a tag head."""

from i2v_search.encoders.base import (
    Encoder,
    EncoderInfo,
    Encoding,
    encode_images,
    encoder_names,
    load_encoder,
    register_encoder,
)

__all__ = [
    "Encoder",
    "EncoderInfo",
    "Encoding",
    "encode_images",
    "encoder_names",
    "load_encoder",
    "register_encoder",
]
