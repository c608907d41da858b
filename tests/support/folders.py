"""Where the files of the project and of its tests are."""

from pathlib import Path

SUPPORT = Path(__file__).parent
DATA = SUPPORT.parent / "data"
ROOT = SUPPORT.parent.parent
#: Files of a collection that its manifest does not name.
UNNAMED = {"collection.json", "writer.lock", "colours.cache", "sources.json"}
