"""What Eagle keeps of a picture: ``metadata.json`` in the item's own folder, ``images/ID.info``.

Tags, the web page it came from, stars, the note that people wrote, and whether it lies in Eagle's trash. The
folders that Eagle shows are in a file of the whole library, and are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from i2v_search.images.metadata.annotations import Annotation
from i2v_search.images.metadata.beside import annotate
from i2v_search.images.metadata.facts import as_date, own_facts

FILE_NAME: Final = "metadata.json"
_ENDING: Final = ".info"


def is_item_folder(folder: str) -> bool:
    """Whether a folder is called as Eagle calls that of an item.

    >>> is_item_folder("art.library/images/KBKE04XSTXR7I.info"), is_item_folder("art/info")
    (True, False)
    """
    return folder.lower().endswith(_ENDING)


def annotate_item(path: str, document: Mapping[str, Any], place: str) -> Annotation:
    """Annotation of the picture of an item.

    Args:
        path: path of the picture.
        document: parsed ``metadata.json``.
        place: what errors call it.

    Raises:
        SourceError: a key of it has a value of another kind.
        TagError: its tags are not valid.

    Example:
        >>> item = {"id": "KBKE04XSTXR7I", "tags": ["Hat"], "star": 4, "url": "https://example.org/1"}
        >>> read = annotate_item("a.png", item, "metadata.json")
        >>> [tag.name for tag in read.tags], read.facts
        (['hat'], {'stars': 4, 'source': 'https://example.org/1'})
    """
    read = annotate(path, {"tags": document.get("tags") or [], "source": document.get("url") or ""}, place)
    facts = own_facts(
        {
            "stars": document.get("star"),
            "note": document.get("annotation"),
            "in_trash": document.get("isDeleted") or None,
        },
        (),
    )
    if (
        isinstance(added := document.get("btime"), int | float)
        and (when := as_date(added / 1000)) is not None
    ):
        facts["date"] = when
    return replace(read, facts={**facts, **read.facts})
