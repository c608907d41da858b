"""Characters: avatars that DiceBear composes from the drawings of many artists, with tags for what they show.

The packages ``dicebear-core`` (MIT) and ``dicebear-styles`` (every style under its artist's licence; those
under CC0 and CC-BY are taken) make an SVG from a style and a seed, and say what was composed. The table
``characters.toml`` turns that into Danbooru-style tags. What a style cannot express is unknown
of its pictures. The label is the style; a style and its faces-only sister are one group.
"""

from __future__ import annotations

import colorsys
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from i2v_search.errors import RecipeError
from i2v_search.progress import Progress, Report, silent
from scripts.lite.recipes.fetching import require
from scripts.lite.recipes.rendering import draw_all
from scripts.lite.recipes.writing import Drawing, Made, finish, writing

PICTURES: Final = 150
"""Of each style."""
LICENCES: Final = {"CC0 1.0": "CC0-1.0", "CC BY 4.0": "CC-BY-4.0"}
OFTEN: Final = 30
"""Per cent of pictures that have a part that is drawn only sometimes: glasses are rare otherwise."""

_HAIR = ("black", "brown", "blonde", "red", "grey", "white", "blue", "green", "purple", "pink", "orange")
HAIR_TAGS: Final = frozenset(f"{colour} hair" for colour in _HAIR)
_DARK_SKIN = "dark skin"
_BALD = "bald"


@dataclass(frozen=True)
class Rules:
    """What one style expresses.

    Attributes:
        always: tags of every picture.
        tags: for each tag, the components and variants that show it; no variants mean any.
        hair: the colour option of its hair, or "".
        skin: the colour option of its skin, or "".
    """

    always: tuple[str, ...]
    tags: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]
    hair: str = ""
    skin: str = ""

    @property
    def expressed(self) -> frozenset[str]:
        """Every tag whose presence or absence the style shows."""
        hair = HAIR_TAGS if self.hair else frozenset()
        skin = frozenset({_DARK_SKIN} if self.skin else ())
        return frozenset(self.tags) | frozenset(self.always) | hair | skin


def make(
    output: Path, *, pictures: int = PICTURES, package: Sequence[Path] = (), report: Report = silent
) -> Made:
    """Make the data set.

    Args:
        output: its folder; an older one is replaced.
        pictures: of each style; at least 1.
        package: a folder of style definitions (``STYLE.json``) in place of those of ``dicebear-styles``.
        report: called for every drawing.

    Raises:
        RecipeError: a package is missing, or its styles are not those that the table describes.
    """
    core, styles = require("dicebear-core"), require("dicebear-styles")
    from dicebear import Avatar, Style

    table = read_rules()
    definitions = read_styles(table, package[0] if package else None)
    with writing(output) as writer:
        drawings: list[Drawing] = []

        def draw() -> Iterator[str]:
            for name, definition in definitions.items():
                style = Style(definition)
                for number in range(pictures):
                    seed = f"{name}-{number:03d}"
                    avatar = Avatar(style, {"seed": seed, **_options(definition)}).to_json()
                    drawings.append(_drawing(name, seed, definition, avatar["options"], table))
                    yield avatar["svg"]

        total = pictures * len(definitions)
        for number, picture in enumerate(draw_all(draw()), 1):
            report(Progress("drawing", number, total))
            if picture is None:
                writer.left_out["could not be drawn"] += 1
            else:
                writer.add(drawings[number - 1], picture)
        writer.drop_copies(near=False, report=report)
        about = "Characters composed by DiceBear, rendered on white; the label is the style."
        return finish(writer, output, recipe="characters", about=about, packages=[core, styles])


def read_rules() -> dict[str, Rules]:
    """The table of what each style expresses, by style.

    Example:
        >>> read_rules()["adventurer"].tags["long hair"]
        (('hair', ('long*',)),)
    """
    text = Path(__file__).with_name("characters.toml").read_text("utf-8")
    table = {}
    for name, entries in tomllib.loads(text).items():
        tags = {tag: _parse(rule) for tag, rule in entries.items() if tag not in {"always", "hair", "skin"}}
        always, hair, skin = entries["always"], entries.get("hair", ""), entries.get("skin", "")
        table[name] = Rules(tuple(always), tags, hair, skin)
    return table


def read_styles(table: Mapping[str, Rules], folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """The definitions of the table's styles, checked against it.

    Args:
        table: by style.
        folder: where the definitions are; by default the installed ``dicebear-styles``. Of a folder, the
            styles that it holds are taken.

    Raises:
        RecipeError: a style is missing, under another licence, or lacks a part that the table names.
    """
    place = folder if folder is not None else files("dicebear_styles")
    definitions = {}
    for name, rules in table.items():
        file = place.joinpath(f"{name}.json")
        if not file.is_file():
            if folder is not None:
                continue
            raise RecipeError(f"dicebear-styles has no style {name}; install the version the recipe names")
        try:
            definition = json.loads(file.read_text("utf-8"))
            licence, components = definition["meta"]["license"]["name"], definition["components"]
        except (ValueError, KeyError, TypeError) as error:
            raise RecipeError(f"{file} is no style of DiceBear ({error!r})") from error
        if licence not in LICENCES:
            raise RecipeError(f"style {name} is under {licence!r}; this recipe takes {', '.join(LICENCES)}")
        for tag, parts in rules.tags.items():
            for component, patterns in parts:
                variants = components.get(component, {}).get("variants", {})
                for pattern in patterns or ("*",):
                    if not any(fnmatchcase(variant, pattern) for variant in variants):
                        raise RecipeError(
                            f"tag {tag!r} of style {name}: it draws no {component} called {pattern!r}; "
                            "install the version of dicebear-styles that the recipe names"
                        )
        definitions[name] = definition
    if not definitions:
        raise RecipeError(f"{folder} holds none of the styles {', '.join(table)}")
    return definitions


def tags_of(rules: Rules, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The tags of one picture.

    Args:
        rules: of its style.
        options: what DiceBear chose: ``hairVariant`` and so on, only for what is drawn.
    """
    found = list(rules.always)
    for tag, parts in rules.tags.items():
        for component, patterns in parts:
            variant = options.get(f"{component}Variant")
            if variant is not None and (not patterns or any(fnmatchcase(variant, p) for p in patterns)):
                found.append(tag)
    if rules.hair and _BALD not in found and (colours := options.get(f"{rules.hair}Color")):
        found.append(f"{colour_name(colours[0])} hair")
    if rules.skin and (colours := options.get(f"{rules.skin}Color")) and _is_dark(colours[0]):
        found.append(_DARK_SKIN)
    return tuple(dict.fromkeys(found))


def colour_name(code: str) -> str:
    """What Danbooru calls a hair colour.

    Args:
        code: ``#rrggbb``.

    Example:
        >>> colour_name("#000000"), colour_name("#e5d7a3"), colour_name("#3eac2c"), colour_name("#6a4e35")
        ('black', 'blonde', 'green', 'brown')
    """
    red, green, blue = _channels(code)
    chroma = max(red, green, blue) - min(red, green, blue)
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    hue *= 360
    reddish = hue < 16 or hue >= 345
    warm = 16 <= hue < 64
    # From the rarest to the commonest: the first that holds.
    names = (
        (lightness < 0.14, "black"),
        (chroma < 0.09 and lightness < 0.22, "black"),
        (lightness > 0.87 or (chroma < 0.09 and lightness >= 0.82), "white"),
        (chroma < 0.09, "grey"),
        (reddish and lightness < 0.3 and saturation < 0.62, "brown"),
        (reddish and lightness < 0.55 and saturation < 0.4, "brown"),
        (reddish, "pink" if lightness > 0.75 else "red"),
        (warm and hue < 34 and saturation > 0.7 and 0.42 <= lightness < 0.7, "orange"),
        (warm and (lightness >= 0.5 or (hue >= 36 and lightness >= 0.42)), "blonde"),
        (warm, "brown"),
        (hue < 165, "green"),
        (hue < 244, "blue"),
        (hue < 292 or lightness < 0.4, "purple"),
        (True, "pink"),
    )
    return next(name for holds, name in names if holds)


def _parse(rule: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    parts = (part.partition("=") for part in rule.split())
    return tuple((component, tuple(filter(None, variants.split(",")))) for component, _, variants in parts)


def _options(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Parts that are rarely drawn are drawn more often, and nothing moves."""
    options: dict[str, Any] = {}
    for name, component in definition["components"].items():
        if name == "animation":
            options["animationVariant"] = ["none"]
        elif (component.get("probability") or 100) < OFTEN:
            options[f"{name}Probability"] = OFTEN
    return options


def _drawing(
    name: str,
    seed: str,
    definition: Mapping[str, Any],
    options: Mapping[str, Any],
    table: Mapping[str, Rules],
) -> Drawing:
    rules, meta = table[name], definition["meta"]
    everywhere = {tag for other in table.values() for tag in other.always}
    every = {tag for other in table.values() for tag in other.expressed}
    return Drawing(
        path=f"{name}/{seed}.webp",
        title=f"{name} {seed.rpartition('-')[2]}",
        author=meta.get("creator", {}).get("name", "unknown"),
        tags=tags_of(rules, options),
        label=name,
        group=name.removesuffix("-neutral"),
        source=f"{meta['source']['name']} ({meta['source']['url']}), in dicebear-styles, seed {seed}",
        licence=LICENCES[meta["license"]["name"]],
        unknown=frozenset(every - everywhere - rules.expressed),
    )


def _is_dark(code: str) -> bool:
    red, green, blue = _channels(code)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.5


def _channels(code: str) -> tuple[float, float, float]:
    value = code.lstrip("#")
    return int(value[:2], 16) / 255, int(value[2:4], 16) / 255, int(value[4:6], 16) / 255
