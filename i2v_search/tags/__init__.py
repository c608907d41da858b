"""Tags: vocabularies, lists and how they are written."""
