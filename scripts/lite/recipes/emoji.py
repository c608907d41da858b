"""Emoji art: the same concepts drawn in several styles, from npm's ``@iconify-json`` packages.

Names, groups and keywords come from ``emojibase-data`` (MIT, after Unicode's CLDR). The label is the emoji's
subgroup (animal mammal, food fruit); all drawings of one concept share a group, over styles, skin tones and
genders. Flags, symbols, clock faces and skin tones other than the first are left out.
"""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from i2v_search.errors import RecipeError
from i2v_search.progress import Progress, Report, silent
from i2v_search.tags.vocabulary import normalise_tag
from scripts.lite.recipes.fetching import PACKAGES, Fetched, fetch_some
from scripts.lite.recipes.rendering import draw_all
from scripts.lite.recipes.writing import Drawing, Made, finish, writing

NAMES: Final = "emojibase-data"
LICENCES: Final = frozenset({"Apache-2.0", "MIT", "CC-BY-4.0", "CC0-1.0"})
"""What a style's package must state of itself; nothing under a share-alike licence is taken."""
STYLES: Final = tuple(
    f"@iconify-json/{name}"
    for name in ("noto", "noto-v1", "fluent-emoji", "fluent-emoji-flat", "fxemoji", "twemoji", "emojione")
)
MAX_MEMBER_BYTES: Final = 128 * 2**20

_NO_GROUPS: Final = {"component", "symbols", "flags"}
_CLOCK_FACE = re.compile(r"o.clock|-thirty")
_JOINER, _SELECTOR = "200D", "FE0F"
_TONES: Final = {"1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"}
_GENDERS: Final = {"2640", "2642"}
_PEOPLE: Final = {"1F468", "1F469", "1F9D1"}
_WORD = re.compile(r"[a-z][a-z' -]+")
_NOT_TAGS: Final = {"other", "and", "of", "with", "the", "object", "prop"}


@dataclass(frozen=True)
class Concept:
    """What an emoji stands for, however it is drawn.

    Attributes:
        code: its code points without skin tone and variation selector, such as ``1F9D1-200D-1F33E``.
        name: in English.
        label: its subgroup.
        tags: keywords, then the words of its subgroup.
        group: code points shared by its genders.
    """

    code: str
    name: str
    label: str
    tags: tuple[str, ...]
    group: str


@dataclass(frozen=True)
class Style:
    """A package of drawings.

    Attributes:
        fetched: the package, in the version found.
        prefix: its short name.
        author: who drew it.
        licence: its SPDX name.
        icons: the parsed ``icons.json``.
        codes: names by code points, where the package knows them.
    """

    fetched: Fetched
    prefix: str
    author: str
    licence: str
    icons: Mapping[str, Any]
    codes: Mapping[str, str]


def make(output: Path, *, package: Sequence[Path] = (), report: Report = silent) -> Made:
    """Make the data set.

    Args:
        output: its folder; an older one is replaced.
        package: ``.tgz`` files as ``npm pack`` gives them, in place of all downloads: ``emojibase-data`` and
            the styles wanted.
        report: called for every drawing.

    Raises:
        RecipeError: npm is missing or fails, a package is damaged or states another licence, or `output` is
            something else.
    """
    with writing(output) as writer, tempfile.TemporaryDirectory() as folder:
        report(Progress("fetching", 0, None))
        names, styles = _fetch(Path(folder), package)
        concepts = read_concepts(names.file)
        by_name = name_index(concepts, styles)
        chosen = [
            (style, name, concept)
            for style in styles
            for name, concept in sorted(_match(style, by_name).items(), key=lambda pair: pair[1].code)
        ]
        for style in styles:
            found = sum(one is style for one, _, _ in chosen)
            writer.left_out[f"{style.prefix}: tones, flags, symbols, unknown names"] = (
                len(style.icons["icons"]) - found
            )
        drawings = draw_all((svg(style.icons, name) for style, name, _ in chosen), trim=True)
        for number, ((style, name, concept), picture) in enumerate(zip(chosen, drawings, strict=True), 1):
            report(Progress("drawing", number, len(chosen)))
            if picture is None:
                writer.left_out[f"{style.prefix}: could not be drawn"] += 1
            else:
                writer.add(_drawing(style, name, concept), picture)
        writer.drop_copies(near=True, report=report)
        about = "Emoji in several styles, rendered on white; the label is the emoji's subgroup."
        packages = [names, *(style.fetched for style in styles)]
        return finish(writer, output, recipe="emoji", about=about, packages=packages)


def read_concepts(package: Path) -> dict[str, Concept]:
    """Concepts by code, from the ``.tgz`` of emojibase-data.

    Raises:
        RecipeError: it is damaged, or another package.
    """
    data = _member(package, "package/en/data.json")
    meta = _member(package, "package/meta/groups.json")
    concepts = {}
    try:
        for emoji in data:
            group = meta["groups"].get(str(emoji.get("group")), "component")
            subgroup = meta["subgroups"].get(str(emoji.get("subgroup")), "")
            if group in _NO_GROUPS or not subgroup or _CLOCK_FACE.search(emoji["label"]):
                continue
            words = [*emoji.get("tags", []), *subgroup.split("-")]
            spelled = (normalise_tag(word) for word in words)
            tags = tuple(dict.fromkeys(w for w in spelled if _WORD.fullmatch(w) and w not in _NOT_TAGS))
            code = plain_code(emoji["hexcode"])
            concepts[code] = Concept(
                code, emoji["label"], subgroup.replace("-", " "), tags, genderless_code(code)
            )
    except (TypeError, KeyError, AttributeError) as error:
        raise RecipeError(f"{package} is not emojibase-data as it was ({error!r})") from error
    return concepts


def plain_code(code: str) -> str:
    """Code points without skin tones and variation selectors.

    Example:
        >>> plain_code("270b-1f3fb"), plain_code("2764-FE0F")
        ('270B', '2764')
    """
    return "-".join(part for part in code.upper().split("-") if part not in _TONES and part != _SELECTOR)


def genderless_code(code: str) -> str:
    """A plain code with person for man and woman, and without the signs for female and male.

    Example:
        >>> genderless_code("1F468-200D-1F33E"), genderless_code("1F575-200D-2640")
        ('1F9D1-200D-1F33E', '1F575')
    """
    parts = ["1F9D1" if part in _PEOPLE else part for part in code.split("-") if part not in _GENDERS]
    return "-".join(parts).removesuffix(f"-{_JOINER}")


def read_style(fetched: Fetched) -> Style:
    """Read a style's package.

    Raises:
        RecipeError: it is damaged, or states a licence that is not in `LICENCES`.
    """
    info, icons = (_member(fetched.file, f"package/{name}.json") for name in ("info", "icons"))
    version = _member(fetched.file, "package/package.json").get("version", fetched.package.version)
    try:
        codes = _member(fetched.file, "package/chars.json")
    except RecipeError:
        codes = {}
    try:
        licence, author = info["license"]["spdx"], info["author"]["name"]
        named = {str(name): str(code) for code, name in codes.items()}
        held = {**icons, "icons": dict(icons["icons"])}
    except (TypeError, KeyError, AttributeError) as error:
        raise RecipeError(f"{fetched.file} is no package of @iconify-json ({error!r})") from error
    if licence not in LICENCES:
        raise RecipeError(
            f"{fetched.file} is under {licence}; this recipe takes {', '.join(sorted(LICENCES))}"
        )
    fetched = replace(fetched, package=replace(fetched.package, version=version))
    return Style(fetched, fetched.package.name.rpartition("/")[2], author, licence, held, named)


def name_index(concepts: Mapping[str, Concept], styles: Sequence[Style]) -> dict[str, Concept]:
    """Concepts by every name that one of the styles, or emojibase, gives them; names without hyphens too.

    Names of skin tones lead nowhere: each concept is drawn once.
    """
    index: dict[str, Concept] = {}
    for style in styles:
        for name, code in style.codes.items():
            if (concept := concepts.get(plain_code(code))) and not _TONES & set(code.upper().split("-")):
                index.setdefault(name, concept)
        for alias, target in style.icons.get("aliases", {}).items():
            if target.get("parent") in index and target.keys() == {"parent"}:
                index.setdefault(alias, index[target["parent"]])
    for concept in concepts.values():
        index.setdefault("-".join(re.findall(r"[a-z0-9]+", concept.name.lower())), concept)
    for name in list(index):
        index.setdefault(name.replace("-", ""), index[name])
    return index


def svg(icons: Mapping[str, Any], name: str) -> str:
    """The drawing of an icon as the text of an SVG file."""
    icon = icons["icons"][name]
    left, top, width, height = (
        float(icon.get(key, icons.get(key, default)))
        for key, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width:g}" height="{height:g}" viewBox="{left:g} {top:g} {width:g} {height:g}">'
        f"{icon['body']}</svg>"
    )


def _fetch(folder: Path, given: Sequence[Path]) -> tuple[Fetched, list[Style]]:
    held = {one.package.name: one for one in fetch_some((NAMES, *STYLES), folder, given)}
    if NAMES not in held or len(held) < 2:
        named = ", ".join(file.name for file in given)
        raise RecipeError(
            f"--package needs {PACKAGES[NAMES].stem}-VERSION.tgz and one or more of "
            f"{', '.join(PACKAGES[name].stem for name in STYLES)}; found {named}"
        )
    return held.pop(NAMES), [read_style(fetched) for fetched in held.values()]


def _member(package: Path, name: str) -> Any:
    try:
        with tarfile.open(package) as archive:
            info = archive.getmember(name)
            member = archive.extractfile(info)
            if member is None or info.size > MAX_MEMBER_BYTES:
                raise RecipeError(f"{package}: {name} is not a file of at most {MAX_MEMBER_BYTES} bytes")
            return json.load(member)
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError) as error:
        raise RecipeError(f"{package}: {name} cannot be read ({error}); download it again") from error


def _match(style: Style, by_name: Mapping[str, Concept]) -> dict[str, Concept]:
    """One icon for each concept: the one whose name comes first."""
    names: dict[str, str] = {}
    for name in sorted(style.icons["icons"]):
        if concept := by_name.get(name):
            names.setdefault(concept.code, name)
    return {name: by_name[name] for name in names.values()}


def _drawing(style: Style, name: str, concept: Concept) -> Drawing:
    return Drawing(
        path=f"{style.prefix}/{concept.label.replace(' ', '-')}/{concept.code.lower()}.webp",
        title=concept.name,
        author=style.author,
        tags=concept.tags,
        label=concept.label,
        group=concept.group,
        source=f"{style.fetched.package.name} {style.fetched.package.version}, {name}",
        licence=style.licence,
    )
