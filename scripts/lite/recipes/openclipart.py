"""Openclipart 0.18: public-domain illustrations of many people, from the Debian package ``openclipart-svg``.

Only drawings whose own RDF states the public domain are taken, and no icons, flags, shapes, cards, signs,
maps or logos. The folder is the label; folders, subjects and titles give the tags. Drawings that show nearly
the same picture are left out but for the first; those of one series stay in one group.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from i2v_search.errors import RecipeError
from i2v_search.progress import Progress, Report, silent
from scripts.lite.recipes.fetching import PACKAGES, Fetched, fetch
from scripts.lite.recipes.rendering import MAX_SVG_BYTES, draw_all
from scripts.lite.recipes.writing import Drawing, Made, finish, slug, writing

PACKAGE: Final = "openclipart-svg"
SVG_ROOT: Final = Path("usr/share/openclipart/svg")
PUBLIC_DOMAIN: Final = {
    "http://web.resource.org/cc/PublicDomain": "Public domain",
    "http://creativecommons.org/licenses/publicdomain/": "Public domain",
    "http://creativecommons.org/publicdomain/zero/1.0/": "CC0-1.0",
}
RESPELLED: Final = {
    **{"vegitable": "vegetable", "musicstuff": "music", "icecream": "ice-cream", "xmas": "christmas"},
}
NOT_TAGS: Final = {
    *(
        "unsorted",
        "special",
        "examples",
        "hash",
        "icon",
        "logo",
        "symbol",
        "signs-and-symbols",
        "work",
        "and",
    ),
    *("dc", "activities", "animale", "animali", "felini", "bodypart", "van"),
}
_FOLDERS: Final = (
    *(
        "animals",
        "buildings",
        "computer/hardware",
        "containers",
        "decorations",
        "education",
        "electronics",
        "food",
        "geography",
    ),
    *("office", "people", "plants", "recreation", "science", "signs_and_symbols/weather", "tools"),
    *("transportation", "unsorted"),
)
_NO_FOLDERS: Final = (
    *("people/stickmen", "people/smilies", "people/clothing/pantyhose", "recreation/games/cards"),
    *("recreation/games/dice", "transportation/aiga-symbols", "transportation/roadsigns"),
    *("unsorted/duplicates",),
)
_NO_WORDS: Final = frozenset(
    (
        *("icon", "icons", "logo", "logos", "flag", "flags", "map", "maps", "roadsign", "roadsigns"),
        *("arrow", "arrows", "border", "borders", "banner"),
    )
)
_NO_TITLE_WORDS: Final = NOT_TAGS | {
    "the",
    "a",
    "an",
    "of",
    "and",
    "in",
    "with",
    "on",
    "for",
    "from",
    "to",
    "by",
    "no",
    "de",
    "la",
    "le",
    "il",
    "di",
    "da",
    "un",
    "una",
    "del",
    "con",
    "e",
    "clip",
    "art",
    "cartoon",
    "simple",
    "small",
    "big",
    "large",
    "little",
    "new",
    "old",
    "one",
    "two",
    "three",
    "left",
    "right",
    "svg",
    "image",
    "drawing",
    "picture",
    "vector",
    "color",
}
_SAME: Final = {"transportation": "transport", "bugs": "insect", "homes": "home", "menu": "food"}
_RARE = 3


@dataclass(frozen=True)
class Description:
    """What an SVG's own RDF block says of it; `licence` is None unless it states the public domain alone."""

    title: str
    author: str
    subjects: tuple[str, ...]
    licence: str | None


def make(output: Path, *, package: Sequence[Path] = (), report: Report = silent) -> Made:
    """Make the data set.

    Args:
        output: its folder; an older one is replaced.
        package: the ``.deb``, or the folder of SVG files in it, in place of a download.
        report: called for every drawing.

    Raises:
        RecipeError: a tool is missing or fails, or `output` is something else.
    """
    with writing(output) as writer, tempfile.TemporaryDirectory() as unpacked:
        report(Progress("fetching", 0, None))
        fetched, root = _fetch(Path(unpacked), package)
        names = candidates(root)
        described = {name: describe(root / name) for name in names}
        free = [name for name in names if described[name].licence]
        drawn = [name for name in free if _is_illustration(described[name])]
        tags = tags_of(drawn, described)
        chosen = [name for name in drawn if tags[name]]
        writer.left_out["no statement of the public domain"] = len(names) - len(free)
        writer.left_out["an icon, logo, flag, map or sign by its subjects"] = len(free) - len(drawn)
        writer.left_out["nothing is said of what it shows"] = len(drawn) - len(chosen)
        drawings = draw_all((_text(root / name) for name in chosen), trim=True)
        taken: Counter[str] = Counter()
        for number, (name, picture) in enumerate(zip(chosen, drawings, strict=True), 1):
            report(Progress("drawing", number, len(chosen)))
            if picture is None:
                writer.left_out["could not be drawn"] += 1
            else:
                writer.add(_drawing(name, described[name], tags[name], taken), picture)
        writer.drop_copies(near=True, report=report)
        about = (
            "Public-domain illustrations from Openclipart 0.18, rendered on white; the label is the folder."
        )
        return finish(writer, output, recipe="openclipart", about=about, packages=[fetched])


def _fetch(folder: Path, given: Sequence[Path]) -> tuple[Fetched, Path]:
    if given and given[0].is_dir():
        return Fetched(PACKAGES[PACKAGE], given[0], ""), given[0]
    if given and len(given) != 1:
        raise RecipeError(f"openclipart is one package: give one .deb of {PACKAGE}, not {len(given)} files")
    fetched = fetch(PACKAGE, folder, given)
    return fetched, unpack(fetched.file, folder)


def unpack(package: Path, folder: Path) -> Path:
    """The folder of SVG files of a ``.deb``, unpacked into `folder`.

    Raises:
        RecipeError: dpkg-deb is missing or fails, or it is another package.
    """
    if shutil.which("dpkg-deb") is None:
        raise RecipeError(
            "dpkg-deb, which unpacks the package, is not installed; it comes with Debian's dpkg"
        )
    command = ["dpkg-deb", "-x", str(package.resolve()), str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise RecipeError(f"{package} cannot be unpacked by dpkg-deb; download it again") from error
    if not (folder / SVG_ROOT).is_dir():
        raise RecipeError(f"{package} has no folder {SVG_ROOT}; it is not {PACKAGE}")
    return folder / SVG_ROOT


def candidates(root: Path) -> list[str]:
    """Drawings that may be illustrations by their folder and size alone: relative paths, sorted."""
    return sorted(
        name
        for folder in _FOLDERS
        for path in (root / folder).rglob("*.svg")
        if not (name := path.relative_to(root).as_posix()).startswith(_NO_FOLDERS)
        and path.is_file()
        and not path.is_symlink()
        and path.stat().st_size <= MAX_SVG_BYTES
    )


def describe(svg: Path) -> Description:
    """Read title, creator, subjects and licence: None unless every licence stated is public domain."""
    names = {
        "cc": "{http://web.resource.org/cc/}",
        "dc": "{http://purl.org/dc/elements/1.1/}",
        "rdf": "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}",
    }
    try:
        tree = ET.parse(svg)
    except ET.ParseError:
        return Description("", "", (), None)

    def texts(path: str) -> Iterator[str]:
        expanded = re.sub(r"(\w+):", lambda match: names[match[1]], path)
        for node in tree.iterfind(f".//{expanded}"):
            if text := " ".join((node.text or "").split()):
                yield text

    licences = {
        node.get(f"{names['rdf']}resource") or node.text or ""
        for node in tree.iter()
        if isinstance(node.tag, str) and node.tag.rpartition("}")[2] == "license"
    }
    known = {PUBLIC_DOMAIN.get(licence) for licence in licences}
    author = next(texts("dc:creator/cc:Agent/dc:title"), "")
    return Description(
        title=next(texts("cc:Work/dc:title"), ""),
        author=re.sub(r"\s*\([^)]*@[^)]*\)|@\S+", "", author),  # names, not mail addresses
        subjects=tuple(texts("dc:subject/rdf:Bag/rdf:li")),
        licence=known.pop() if len(known) == 1 else None,
    )


def subject_words(name: str, description: Description) -> list[str]:
    """The words of a picture's folders and subjects: lower case, no authors or numbers."""
    folders = Path(name).parent.as_posix().lower().replace("_", "-").split("/")
    subjects = re.findall(r"[a-z][a-z'-]+", " ".join(description.subjects).lower())
    ignored = NOT_TAGS | set(re.findall(r"[a-z]+", description.author.lower()))
    return [RESPELLED.get(word, word) for word in (*folders, *subjects) if word not in ignored]


def common_words(words: Iterable[Sequence[str]], pictures: int = 2) -> dict[str, str]:
    """Words used of some pictures or more, each with its singular if that is in use too.

    Rare words are left out: many are misspelt.
    """
    counts = Counter(word for picture in words for word in set(picture))
    common = {word for word, count in counts.items() if count >= pictures}
    return {word: word[:-1] if word[-1] == "s" and word[:-1] in common else word for word in common}


def tags_of(names: Sequence[str], described: dict[str, Description]) -> dict[str, tuple[str, ...]]:
    """Tags by drawing: words of its folders and subjects, and those of its title that are tags of others."""
    words = {name: subject_words(name, described[name]) for name in names}
    common = common_words(words.values(), _RARE)
    tags = {}
    for name in names:
        titled = re.findall(r"[a-z][a-z'-]+", described[name].title.lower())
        found = [*words[name], *(word for word in titled if word not in _NO_TITLE_WORDS)]
        spelled = (_SAME.get(common[word], common[word]) for word in found if word in common)
        tags[name] = tuple(dict.fromkeys(word.replace("-", " ") for word in spelled))
    return tags


def series(name: str) -> str:
    """What drawings of one series have in common: folder and name, less numbers and single letters.

    Example:
        >>> series("food/fruit/apple_red_02.svg"), series("food/fruit/apple-red-1b.svg")
        ('food/fruit/apple-red', 'food/fruit/apple-red')
    """
    path = Path(name)
    words = [word for word in slug(path.stem).split("-") if not re.fullmatch(r"\d*[a-z]?\d*", word)]
    words = [re.sub(r"\d+$", "", word) for word in words]
    return f"{path.parent.as_posix()}/{'-'.join(words) or slug(path.stem)}"


def _is_illustration(description: Description) -> bool:
    words = {word for subject in description.subjects for word in re.findall(r"[a-z]+", subject.lower())}
    return not words & _NO_WORDS


def _drawing(name: str, description: Description, tags: tuple[str, ...], taken: Counter[str]) -> Drawing:
    folder = Path(name).parent.as_posix().replace("_", "-")
    stem = f"{folder}/{slug(Path(name).stem) or 'drawing'}"
    taken[stem] += 1
    number = f"-{taken[stem]}" if taken[stem] > 1 else ""
    return Drawing(
        path=f"{stem}{number}.webp",
        title=description.title,
        author=description.author or "unknown",
        tags=tags,
        label="" if folder == "unsorted" else folder,
        group=series(name),
        source=f"Openclipart 0.18, {name}",
        licence=description.licence or "",
    )


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")
