"""A made data set on disk: pictures, ``tags.jsonl``, and ``dataset.json`` and ``README.md`` that say whence.

It is written to a folder beside its own and renamed when it is whole, so that a reader sees the old set or
the new one.
"""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from i2v_search.errors import RecipeError
from i2v_search.files import naming, sync_directory
from i2v_search.images.fingerprints import duplicates, fingerprint
from i2v_search.images.metadata.annotations import FILE_NAME
from i2v_search.progress import Progress, Report
from i2v_search.tags.vocabulary import Category
from i2v_search.training.datasets.splitting import joined
from scripts.lite.recipes.fetching import Fetched

FACTS: Final = "dataset.json"


@dataclass(frozen=True)
class Drawing:
    """What is said of one picture; the words of `i2v_search.training.datasets.dataset.Picture`.

    `path` is relative to the set; `unknown` is sorted when it is written.
    """

    path: str
    title: str
    author: str
    tags: tuple[str, ...]
    label: str
    group: str
    source: str
    licence: str
    categories: Mapping[str, Category] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Made:
    """A finished data set.

    Attributes:
        folder: where it is.
        pictures: how many.
        left_out: why drawings were left out, and how many.
        licences: pictures of each.
    """

    folder: Path
    pictures: int
    left_out: Mapping[str, int]
    licences: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "folder": str(self.folder),
            "pictures": self.pictures,
            "left_out": dict(self.left_out),
            "licences": dict(self.licences),
        }


@dataclass
class SetWriter:
    """Takes pictures while a set is made; `writing` gives one and finishes the set."""

    scratch: Path
    left_out: Counter[str] = field(default_factory=Counter)
    _drawings: dict[str, Drawing] = field(default_factory=dict)

    def add(self, drawing: Drawing, content: bytes) -> None:
        """Write one picture.

        Raises:
            RecipeError: its path is taken.
        """
        if drawing.path in self._drawings:
            raise RecipeError(f"two drawings would be called {drawing.path}")
        target = self.scratch / drawing.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        self._drawings[drawing.path] = drawing

    def remove(self, path: str, reason: str) -> None:
        """Take a picture back."""
        del self._drawings[path]
        (self.scratch / path).unlink()
        self.left_out[reason] += 1

    def drop_copies(self, *, near: bool, report: Report) -> None:
        """Take back every picture that has the pixels of an earlier one, or is `near` one.

        What is said of the pictures with the same pixels is said of the one that stays: some packages file a
        drawing in two folders.
        """
        paths = sorted(self._drawings)
        prints = []
        for path in paths:
            prints.append(fingerprint((self.scratch / path).read_bytes(), path))
            report(Progress("comparing pictures", len(prints), len(paths)))
        pairs = duplicates(prints) if near else ()
        for first, *others in joined([one.pixels for one in prints], pairs):
            kept = self._drawings[paths[first]]
            for row in others:
                drawing = self._drawings[paths[row]]
                same = prints[row].pixels == prints[first].pixels
                if same:
                    tags = tuple(dict.fromkeys((*kept.tags, *drawing.tags)))
                    kept = replace(kept, tags=tags, label=kept.label or drawing.label)
                self.remove(drawing.path, "the same as another" if same else "nearly the same as another")
            self._drawings[kept.path] = kept

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """What was added, in order."""
        return tuple(self._drawings.values())


@contextmanager
def writing(output: Path) -> Iterator[SetWriter]:
    """A writer whose scratch folder lies beside `output`; it is removed whatever happens.

    Raises:
        RecipeError: `output` holds something that is not a set made by a recipe.
    """
    if output.exists() and not (output / FACTS).is_file() and (not output.is_dir() or any(output.iterdir())):
        raise RecipeError(f"{output} exists and is not a data set made by a recipe; name another folder")
    output.parent.mkdir(parents=True, exist_ok=True)
    scratch = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        with naming(output):
            yield SetWriter(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def finish(writer: SetWriter, output: Path, *, recipe: str, about: str, packages: Sequence[Fetched]) -> Made:
    """Write the annotations and facts, and put the set in its place.

    Args:
        writer: with all pictures.
        output: replaced if it is an older set.
        recipe: its name.
        about: one sentence for the README.
        packages: what it was made from.

    Raises:
        RecipeError: there are no pictures.
    """
    drawings = sorted(writer.drawings, key=lambda drawing: drawing.path)
    if not drawings:
        raise RecipeError(f"no picture could be made: {dict(writer.left_out)}")
    lines = [json.dumps(_record(drawing), ensure_ascii=False) + "\n" for drawing in drawings]
    (writer.scratch / FILE_NAME).write_text("".join(lines), encoding="utf-8")
    licences = dict(Counter(drawing.licence for drawing in drawings).most_common())
    made = Made(output, len(drawings), dict(sorted(writer.left_out.items())), licences)
    facts = {
        "recipe": recipe,
        "pictures": made.pictures,
        "labels": len({drawing.label for drawing in drawings}),
        "groups": len({drawing.group for drawing in drawings}),
        "tags": len({tag for drawing in drawings for tag in drawing.tags}),
        "licences": made.licences,
        "left_out": made.left_out,
        "renderer": f"resvg_py {version('resvg_py')}",
        "packages": [package.to_dict() for package in packages],
    }
    (writer.scratch / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (writer.scratch / "README.md").write_text(_readme(facts, about, drawings), encoding="utf-8")
    for folder in {writer.scratch, *(writer.scratch / drawing.path for drawing in drawings)}:
        if folder.is_dir():
            sync_directory(folder)
    old = output.with_name(f".{output.name}.{os.getpid()}.old")
    if output.exists():
        output.rename(old)
    writer.scratch.rename(output)
    shutil.rmtree(old, ignore_errors=True)
    sync_directory(output.parent)
    return made


def slug(name: str) -> str:
    """ASCII lower-case words joined by hyphens, fit for a file's name.

    Example:
        >>> slug("Café au lait_01")
        'cafe-au-lait-01'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = "".join(letter if letter.isalnum() else " " for letter in plain).split()
    return "-".join(words)


def _record(drawing: Drawing) -> dict[str, Any]:
    record: dict[str, Any] = {
        "path": drawing.path,
        "title": drawing.title,
        "author": drawing.author,
        "tags": list(drawing.tags),
        "label": drawing.label,
        "group": drawing.group,
        "source": drawing.source,
        "licence": drawing.licence,
    }
    if drawing.categories:
        record["categories"] = {
            tag: drawing.categories[tag] for tag in drawing.tags if tag in drawing.categories
        }
    if drawing.unknown:
        record["unknown"] = sorted(drawing.unknown)
    return record


def _readme(facts: Mapping[str, Any], about: str, drawings: Sequence[Drawing]) -> str:
    by_licence: dict[tuple[str, str], Counter[str]] = {}
    for drawing in drawings:
        origin = drawing.source.partition(",")[0]
        by_licence.setdefault((drawing.licence, origin), Counter())[drawing.author] += 1
    lines = [
        f"# Data set {facts['recipe']}",
        "",
        about,
        "",
        f"Made by `make data/{facts['recipe']}/tags.jsonl` of i2v-search: {facts['pictures']} pictures, "
        f"{facts['labels']} labels, {facts['tags']} tags. `tags.jsonl` says of every picture what it shows, "
        "whence it comes, who drew it, and under which licence.",
        "",
        "| from | licence | pictures | by |",
        "|---|---|---|---|",
    ]
    for (licence, origin), authors in sorted(by_licence.items()):
        named = [author for author, _ in authors.most_common(3)]
        others = f" and {len(authors) - 3} others" if len(authors) > 3 else ""
        lines.append(f"| {origin} | {licence} | {authors.total()} | {', '.join(named)}{others} |")
    lines += ["", "| package | version | SHA-256 of the file |", "|---|---|---|"]
    lines += [f"| {p['registry']}: {p['name']} | {p['version']} | {p['sha256']} |" for p in facts["packages"]]
    return "\n".join(lines) + "\n"
