"""Measures of an encoder on plain arrays: retrieval by label, tags, edited copies, recall of indexes."""
