"""A source: ``list:///home/you/chosen.txt`` gives the pictures that a text file names, one a line.

i2v-search reads URLs by fsspec, so a source is a file system of fsspec: folders that can be listed, files
that can be opened. Pictures are stored under their URLs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem


class ListFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Shows a text file of paths as a folder, in which each picture has its line as a name."""

    protocol = "list"
    #: Do not keep file systems: a list may change.
    cachable = False

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """The pictures of a list, or one of them."""
        if (target := self._target(path)) is not None:
            entries = [self._entry(path, target)]
        else:
            names = Path(self._strip_protocol(path)).read_text(encoding="utf-8").splitlines()
            chosen = [
                (f"{path}/{number:06}-{Path(name).name}", Path(name)) for number, name in enumerate(names)
            ]
            entries = [self._entry(place, target) for place, target in chosen if target.is_file()]
        return entries if detail else [entry["name"] for entry in entries]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Of a list, a folder; of what is in it, a file."""
        path = self._strip_protocol(path)
        target = self._target(path)
        if target is not None:
            return self._entry(path, target)
        if not Path(path).is_file():
            raise FileNotFoundError(path)
        return {"name": path, "size": 0, "type": "directory"}

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        target = self._target(self._strip_protocol(path))
        if target is None or mode != "rb":
            raise FileNotFoundError(path)
        return target.open("rb")

    def _target(self, path: str) -> Path | None:
        """The picture that a line of a list names."""
        listed, _, name = self._strip_protocol(path).rpartition("/")
        number = name.partition("-")[0]
        if not (number.isdecimal() and Path(listed).is_file()):
            return None
        names = Path(listed).read_text(encoding="utf-8").splitlines()
        return Path(names[int(number)]) if int(number) < len(names) else None

    @staticmethod
    def _entry(path: str, target: Path) -> dict[str, Any]:
        facts = target.stat()
        return {"name": path, "size": facts.st_size, "type": "file", "mtime": facts.st_mtime}
