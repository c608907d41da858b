"""The object users hold: an open collection."""
