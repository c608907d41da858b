"""Encoders: image -> vector, and tags where an encoder has a tag head."""
