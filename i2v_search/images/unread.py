"""Files in image folders that are not read, counted by kind, so that none is skipped silently.

Files that are no pictures and usually stand beside some (texts, metadata, scripts) are not mentioned.
"""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from i2v_search.escapes import JsonReady


def _endings(text: str) -> frozenset[str]:
    return frozenset(f".{ending}" for ending in text.split())


#: Endings of what stands beside pictures and is none; such files are neither opened nor counted.
COMPANIONS: Final = _endings(
    "txt caption json jsonl ndjson csv tsv xml xmp md rst html htm css js yaml yml toml ini cfg conf log "
    "url lnk webloc desktop db sqlite py sh bat ps1 npy npz h5 parquet pt pth ckpt onnx safetensors sha256 "
    "sha1 md5 sfv nfo aae thm srt ass vtt pal gpl ttf otf woff woff2 tsx tmx mtl obj rtf doc docx odt xls "
    "xlsx import meta license"
)
_RAW: Final = _endings("cr2 cr3 nef arw dng raf rw2 orf pef srw raw")
_VIDEOS: Final = _endings("mp4 webm mkv mov avi m4v swf")
_ARCHIVES: Final = _endings("zip cbz tar tgz tbz2 txz gz bz2 xz")
_OTHER_ARCHIVES: Final = _endings("rar cbr 7z cb7")
#: Not even opened to see whether they are pictures under another name; raw photographs look like TIFF.
_NEVER_PICTURES: Final = COMPANIONS | _RAW | _VIDEOS | _ARCHIVES | _OTHER_ARCHIVES
#: What would help with files that are no pictures to us, by ending.
_HELP: Final[dict[str, str]] = {
    ending: help_
    for help_, endings in {
        "convert to JPEG": _RAW,
        "export as PNG": _endings(
            "krz lip xcf sai sai2 mdp procreate afphoto afdesign pdn psp fla blend eps ps wmf emf cdr"
        ),
        "convert to PNG": _endings("exr hdr dds qoi sgi xpm xbm cur icns"),
        "give archives by name or pattern": _ARCHIVES,
        "pack as zip": _OTHER_ARCHIVES,
        "unfinished downloads?": _endings("part crdownload download tmp"),
    }.items()
    for ending in endings
}
#: Folders that systems and programs keep thumbnails, caches and deleted files in; names beginning with a dot
#: are skipped anyway.
_SERVICE_FOLDERS: Final = frozenset(
    (
        *(
            "@eadir",
            "@recycle",
            "@recently-snapshot",
            "@tmp",
            "#recycle",
            "#snapshot",
            "$recycle.bin",
            "$extend",
        ),
        *("recycler", "recycled", "__macosx", "lost+found", "found.000", "__pycache__", "node_modules"),
        *("system volume information", "network trash folder", "temporary items"),
    )
)
_ENDING: Final = re.compile(r"\.[\w!~+-]{1,15}", re.ASCII)
_SEVERAL: Final = re.compile(r"^((?:(?:broken|excluded|hidden) )?(?:caption|folder|image|line|link))s\b")
#: A folder may hold a million files of a million endings.
_MOST_KINDS: Final = 200
OTHERS: Final = "of other kinds"
#: Sheets, strips, maps and animations: `i2v_search.images.signature`.
DRAWN: Final = "drawn by i2v-search"


@dataclass(frozen=True)
class NotRead(JsonReady):
    """Files or folders of one kind that were not read.

    Attributes:
        kind: an ending, ``".cr2"``, or what they are, ``"hidden folders"``.
        count: how many.
        help: what would make them readable, or which they are; may be empty.
    """

    kind: str
    count: int
    help: str = ""

    def __str__(self) -> str:
        """As people read it.

        >>> str(NotRead(".xcf", 2, "export as PNG"))
        '2 .xcf (export as PNG)'
        >>> str(NotRead("excluded folders", 1))
        '1 excluded folder'
        """
        kind = _SEVERAL.sub(r"\1", self.kind) if self.count == 1 else self.kind
        return f"{self.count:,} {kind}" + (f" ({self.help})" if self.help else "")


class Tally:
    """Counts what is not read; may be added to from several threads.

    Attributes:
        read: paths of files that are read though a walk that meets them does not: archives named themselves.

    Example:
        >>> tally = Tally()
        >>> for name in ("a.CR2", "b.cr2", "c.xcf", "d", "notes.txt"):
        ...     tally.file(name)
        >>> tally.passed_over(".git", is_folder=True, is_image=False)
        >>> print(*tally.counted(), sep=", ")
        2 .cr2 (convert to JPEG), 1 .xcf (export as PNG), 1 hidden folder, 1 without an extension
    """

    def __init__(self) -> None:
        self.read: frozenset[str] = frozenset()
        self._counts: Counter[tuple[str, str]] = Counter()
        #: Images, by the path of the link to a folder that led to them: they are read.
        self.linked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, kind: str, count: int = 1, help: str = "") -> None:  # noqa: A002
        """Count something by its kind."""
        with self._lock:
            known = (kind, help) in self._counts or len(self._counts) < _MOST_KINDS
            self._counts[(kind, help) if known else (OTHERS, "")] += count

    def file(self, path: str) -> None:
        """Count a file that is no picture by its name, unless it is one of `COMPANIONS`."""
        ending = os.path.splitext(path)[1].lower()  # noqa: PTH122 - also of what is no path here
        if ending in COMPANIONS or path in self.read:
            return
        if not ending:
            self.add("without an extension")
        elif ending in _HELP or _ENDING.fullmatch(ending):
            self.add(ending, help=_HELP.get(ending, ""))
        else:
            self.add(OTHERS)

    def passed_over(self, name: str, *, is_folder: bool, is_image: bool) -> None:
        """Count a folder, or an image, that was skipped by its name."""
        if is_folder:
            self.add("hidden folders" if name.startswith(".") else name)
        elif is_image and not name.startswith("._"):  # which hold what other systems know of a file
            self.add("hidden images")

    def excluded(self, *, is_folder: bool, is_image: bool) -> None:
        """Count a folder, or an image, that a person left out."""
        if is_folder or is_image:
            self.add("excluded folders" if is_folder else "excluded images")

    def counted(self) -> tuple[NotRead, ...]:
        """The counts, largest first."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(NotRead(kind, count, advice) for (kind, advice), count in ordered)


def may_be_picture(name: str) -> bool:
    """Whether a file whose ending is not that of a picture may be one all the same: ``a.jpg_large``."""
    return os.path.splitext(name)[1].lower() not in _NEVER_PICTURES  # noqa: PTH122 - a name, not a path


def is_service_folder(name: str) -> bool:
    """Whether a folder holds thumbnails, caches or deleted files of a system or program.

    >>> is_service_folder("@eaDir"), is_service_folder("art")
    (True, False)
    """
    return name.lower() in _SERVICE_FOLDERS


def total(parts: Iterable[Iterable[NotRead]]) -> tuple[NotRead, ...]:
    """Sum of several counts."""
    tally = Tally()
    for part in parts:
        for item in part:
            tally.add(item.kind, item.count, item.help)
    return tally.counted()


def described(items: Iterable[NotRead], most: int = 20) -> str:
    """One line for people.

    >>> described([NotRead(".cr2", 3), NotRead(".xcf", 1, "export as PNG")])
    '3 .cr2, 1 .xcf (export as PNG)'
    """
    listed = list(items)
    rest = sum(item.count for item in listed[most:])
    return ", ".join([*map(str, listed[:most]), *([f"{rest:,} more"] if rest else [])])
