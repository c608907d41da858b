"""Maintenance and transfer of a collection: compact, relocate, repair, merge, export."""
