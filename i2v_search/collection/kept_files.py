"""What people keep of a collection, for other programs: one JSON file, or a sidecar file for each picture."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from i2v_search.choices import SidecarForm
from i2v_search.collection.board_files import BoardContents
from i2v_search.collection.bundles import safe_name
from i2v_search.collection.contents import Contents
from i2v_search.escapes import printable, visible, visible_lines
from i2v_search.files import write_atomically
from i2v_search.images.sources import Skipped
from i2v_search.store.annotations.pictures import KeptPicture, PictureNotes

#: Stars of a favourite in XMP, which counts to five.
_FAVOURITE: Final = 5
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC: Final = "http://purl.org/dc/elements/1.1/"
_XMP: Final = "http://ns.adobe.com/xap/1.0/"
_META: Final = "adobe:ns:meta/"
_LANGUAGE: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_BEGIN: Final = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_END: Final = '\n<?xpacket end="w"?>\n'
#: What XML has no way to write and `visible` leaves.
_NOT_IN_XML: Final = re.compile("[\ufffe\uffff]")

for _prefix, _space in (("rdf", _RDF), ("dc", _DC), ("xmp", _XMP), ("x", _META)):
    ET.register_namespace(_prefix, _space)


@dataclass(frozen=True)
class Sidecars:
    """What writing sidecar files did.

    Attributes:
        written: number of files.
        skipped: pictures without one, and why.
    """

    written: int
    skipped: tuple[Skipped, ...]


def kept_record(collection: Contents) -> dict[str, Any]:
    """All that people keep of a collection, as JSON-ready values."""
    kept = collection.annotations
    noted = kept.pictures.all()
    boards = [BoardContents.of(collection, board).record(collection) for board in kept.boards.all()]
    return {
        "pictures": [
            {"path": printable(path), "sha256": picture.sha256, **notes.to_dict()}
            for picture, notes in noted.items()
            for path in _paths(collection, picture) or [picture.path]
        ],
        "boards": boards,
        "searches": [search.to_dict() for search in kept.searches.all()],
        "not_copies": sorted(map(list, kept.pictures.not_copies())),
    }


def write_sidecars(
    collection: Contents, folder: Path | None, form: SidecarForm = "xmp", *, overwrite: bool = False
) -> Sidecars:
    """Write stars, notes and own tags beside the names of the pictures that have any.

    - ``"xmp"``: ``picture.png.xmp``, as digiKam, darktable and others read it: tags as ``dc:subject``, the
      note as ``dc:description``, a star as a rating of five.
    - ``"txt"``: ``picture.png.txt`` with a tag a line, as hydrus reads it.

    Args:
        collection: the collection.
        folder: where they are written, in folders as those of the pictures; None: beside the pictures.
        form: which of them.
        overwrite: replaces files that are there; else they are kept, as others may have written them.

    Returns:
        How many were written, and what was not.

    Raises:
        OSError: the folder cannot be written to.
    """
    written, skipped, used = 0, list[Skipped](), set[str]()
    for picture, notes in collection.annotations.pictures.all().items():
        content = xmp(notes) if form == "xmp" else _tag_lines(notes)
        paths = _paths(collection, picture) if content else []
        if content and not paths:
            skipped.append(Skipped(picture.path, "not in the collection"))
        for path in paths:
            file = _target(collection, path, folder, form)
            if isinstance(file, Skipped):
                skipped.append(file)
            elif str(file).lower() in used:
                skipped.append(Skipped(path, f"another picture has the file {file.name}"))
            elif os.path.lexists(file) and not overwrite:
                skipped.append(
                    Skipped(path, f"{file.name} exists and is kept; use --overwrite to replace it")
                )
            else:
                used.add(str(file).lower())
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(file, content)
                written += 1
    return Sidecars(written, tuple(skipped))


def xmp(notes: PictureNotes) -> bytes:
    """What is kept of a picture as an XMP packet.

    >>> text = xmp(PictureNotes(True, "at dusk", ("night", "red <hat>"))).decode()
    >>> 'xmp:Rating="5"' in text, "<rdf:li>red &lt;hat&gt;</rdf:li>" in text
    (True, True)
    """
    meta = ET.Element(f"{{{_META}}}xmpmeta")
    about = ET.SubElement(ET.SubElement(meta, f"{{{_RDF}}}RDF"), f"{{{_RDF}}}Description")
    about.set(f"{{{_RDF}}}about", "")
    if notes.starred:
        about.set(f"{{{_XMP}}}Rating", str(_FAVOURITE))
    if notes.tags:
        bag = ET.SubElement(ET.SubElement(about, f"{{{_DC}}}subject"), f"{{{_RDF}}}Bag")
        for tag in notes.tags:
            ET.SubElement(bag, f"{{{_RDF}}}li").text = _NOT_IN_XML.sub("", visible(tag))
    if notes.note:
        alternatives = ET.SubElement(ET.SubElement(about, f"{{{_DC}}}description"), f"{{{_RDF}}}Alt")
        text = ET.SubElement(alternatives, f"{{{_RDF}}}li", {_LANGUAGE: "x-default"})
        text.text = _NOT_IN_XML.sub("", visible_lines(notes.note))
    ET.indent(meta)
    return f"{_BEGIN}{ET.tostring(meta, encoding='unicode')}{_END}".encode()


def _tag_lines(notes: PictureNotes) -> bytes:
    return "".join(f"{visible(tag)}\n" for tag in notes.tags).encode()


def _paths(collection: Contents, picture: KeptPicture) -> list[str]:
    """Stored paths of the images with the content of a picture."""
    (images,) = collection.all_ids_of_contents([picture.sha256])
    return [collection.stored_path(image) for image in images]


def _target(collection: Contents, path: str, folder: Path | None, form: SidecarForm) -> Path | Skipped:
    if folder is not None:
        return folder / f"{safe_name(path)}.{form}"
    image = Path(collection.store.manifest.image_root, path)
    if not image.is_file():
        return Skipped(path, "it is no file that something could be written beside")
    return image.with_name(f"{image.name}.{form}")
