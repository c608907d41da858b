"""Icons with names in English, from npm's ``@iconify-json`` packages: what text is learned from, beside the
emoji and the clip art.

They are flat, drawn with lines, or silhouettes, so that words are not tied to one way of drawing. Of drawings
with the same title the first of a package stays; signs of programs (``account-check``, ``arrow-left``) are
left out where a package is full of them.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from i2v_search.progress import Progress, Report, silent
from scripts.lite.recipes.emoji import Style, read_style, svg
from scripts.lite.recipes.fetching import fetch_some
from scripts.lite.recipes.rendering import draw_all
from scripts.lite.recipes.writing import Drawing, Made, finish, writing

#: The packages, each with what its names must match.
SETS: Final = {
    "@iconify-json/emojione-monotone": ".",
    "@iconify-json/fluent-emoji-high-contrast": ".",
    "@iconify-json/fa6-solid": ".",
    "@iconify-json/ph": "-fill$",
    "@iconify-json/solar": "-bold$",
    "@iconify-json/streamline-ultimate-color": ".",
    "@iconify-json/streamline-plump-color": ".",
    "@iconify-json/streamline-flex-color": ".",
    "@iconify-json/streamline-kameleon-color": ".",
    "@iconify-json/healthicons": "(?<!-outline)$",
    "@iconify-json/mdi": "(?<!-outline)$",
    "@iconify-json/icon-park": ".",
    "@iconify-json/fluent-color": ".",
    "@iconify-json/temaki": ".",
    "@iconify-json/maki": ".",
    "@iconify-json/gis": ".",
}
#: What a name ends with that says how an icon is drawn.
_VARIANT = re.compile(r"(-(fill|bold|outline|color|solid|alt\d?|flat|duo|variant|remix|\d+))+$")
#: Words of a name that make it a sign of a program.
_SIGN = re.compile(
    r"(^|-)(outline|alpha|numeric|format|arrows?|chevron|plus|minus|off|check|remove|cancel|alert|lock|edit|"
    r"sync|cog|multiple|account|file|files|folder|wifi|signal|sort|view|microsoft|google|calendar|cellphone|"
    r"database|message|gauge|language|network|page|playlist|printer|server|timer|toggle|window|rotate|select|"
    r"set|vector|source|cast|dots|dice|eye|marker|chart|code|align|border|text|layout|cursor|data)(-|$)"
)


def make(output: Path, *, package: Sequence[Path] = (), report: Report = silent) -> Made:
    """Make the data set.

    Args:
        output: its folder; an older one is replaced.
        package: ``.tgz`` files as ``npm pack`` gives them, in place of all downloads: some of `SETS`.
        report: called for every drawing.

    Raises:
        RecipeError: npm is missing or fails, a package is damaged or states another licence, or `output` is
            something else.
    """
    with writing(output) as writer, tempfile.TemporaryDirectory() as folder:
        report(Progress("fetching", 0, None))
        styles = [read_style(fetched) for fetched in fetch_some(tuple(SETS), Path(folder), package)]
        chosen = [(style, name, title) for style in styles for title, name in titled(style).items()]
        drawings = draw_all((svg(style.icons, name) for style, name, _ in chosen), trim=True)
        for number, ((style, name, title), picture) in enumerate(zip(chosen, drawings, strict=True), 1):
            report(Progress("drawing", number, len(chosen)))
            if picture is None:
                writer.left_out[f"{style.prefix}: could not be drawn"] += 1
            else:
                writer.add(_drawing(style, name, title), picture)
        about = "Icons in several styles, rendered on white; the title is the icon's name."
        return finish(writer, output, recipe="icons", about=about, packages=[one.fetched for one in styles])


def titled(style: Style) -> dict[str, str]:
    """The names of the icons to take, by their titles."""
    wanted = re.compile(SETS[style.fetched.package.name])
    titles: dict[str, str] = {}
    for name, icon in sorted(style.icons["icons"].items()):
        if not icon.get("hidden") and wanted.search(name) and not _SIGN.search(name):
            titles.setdefault(_VARIANT.sub("", name).replace("-", " "), name)
    return titles


def _drawing(style: Style, name: str, title: str) -> Drawing:
    return Drawing(
        path=f"{style.prefix}/{name}.webp",
        title=title,
        author=style.author,
        tags=(),
        label=style.prefix,
        group=title,
        source=f"{style.fetched.package.name} {style.fetched.package.version}, {name}",
        licence=style.licence,
    )
