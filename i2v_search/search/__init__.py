"""Queries, the rows that match them in order, and the resulting hits."""
