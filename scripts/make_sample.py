"""Make the bundled sample collection: real illustrations that anybody may use.

Clip art comes from Openclipart 0.18 in the Debian package ``openclipart-svg``; which drawings, under which
category, and what they show is written in ``sample_selection.toml`` next to this script, so the result is
reviewed and reproducible. Pixel art, line art, painted and rendered things come from the packages named in
``sample_art.toml`` (``sample_art.py``). Needs ``rsvg-convert`` (Debian: librsvg2-bin), ``npm``, ``pip`` and,
unless ``--openclipart`` names an unpacked copy, ``apt-get`` and ``dpkg-deb``. Three steps::

    python scripts/make_sample.py survey --sheets /tmp/sheets   # score every candidate, draw contact sheets
    $EDITOR scripts/sample_selection.toml                       # choose
    python scripts/make_sample.py build                         # render, check, write i2v_search/data/sample

Running ``build`` twice with the same rsvg-convert and Pillow writes the same bytes.
"""

import argparse
import concurrent.futures
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat

from scripts.lite.recipes.fetching import fetch
from scripts.lite.recipes.openclipart import (
    PACKAGE,
    Description,
    candidates,
    common_words,
    describe,
    subject_words,
    unpack,
)
from scripts.lite.recipes.writing import slug
from scripts.sample_art import LONGEST_SIDE, MARGIN, Piece, read_pieces

HERE = Path(__file__).resolve().parent
SELECTION = HERE / "sample_selection.toml"
SAMPLE = HERE.parent / "i2v_search" / "data" / "sample"
RENDER_SECONDS = 10
WORKERS = 2
MAX_TOTAL_BYTES = 14_000_000
WEBP_QUALITY = 85
NEAR_DUPLICATE_SHARE = 0.25  # of the bits set in either hash: narrow drawings set few
VARIANTS_KEPT = 2


@dataclass(frozen=True)
class Richness:
    """How much there is to see in a rendering: the numbers the survey ranks by."""

    colours: int
    edges: float
    coverage: float
    paths: int

    @property
    def score(self) -> float:
        """Between 0 and 1; plain shapes and silhouettes are below about 0.25."""
        parts = (self.colours / 60, self.edges / 0.12, self.coverage / 0.5, self.paths / 60)
        return sum(min(1.0, part) for part in parts) / len(parts)


def fetch_openclipart(target: Path) -> Path:
    """Download and unpack the Debian package into `target`; returns the folder of its SVG files."""
    return unpack(fetch(PACKAGE, target).file, target)


def rasterise(svg: Path, cache: Path) -> Image.Image | None:
    """Draw `svg` on white, without its empty margin, in the longest side; None when it cannot be drawn."""
    drawing = _drawing(svg, 640, cache)
    if drawing is not None and max(drawing.size) < LONGEST_SIDE:  # it fills a corner of its page
        drawing = _drawing(svg, 2400, cache)
    if drawing is None:
        return None
    room = LONGEST_SIDE - 2 * MARGIN
    scale = room / max(drawing.size)
    size = (max(1, round(drawing.width * scale)), max(1, round(drawing.height * scale)))
    picture = Image.new("RGB", (size[0] + 2 * MARGIN, size[1] + 2 * MARGIN), "white")
    picture.paste(drawing.resize(size, Image.Resampling.LANCZOS), (MARGIN, MARGIN))
    return picture


def _drawing(svg: Path, side: int, cache: Path) -> Image.Image | None:
    page = _render(svg, side, cache)
    if page is None:
        return None
    ink = ImageChops.difference(page, Image.new("RGB", page.size, "white")).convert("L")
    box = ink.point(lambda level: 255 * (level > 8)).getbbox()
    return page.crop(box) if box else None


def _render(svg: Path, side: int, cache: Path) -> Image.Image | None:
    key = hashlib.sha256(svg.read_bytes()).hexdigest()[:24]
    png = cache / f"{key}-{side}.png"
    failed = cache / f"{key}.failed"
    if failed.exists():
        return None
    if not png.exists():
        scratch = png.with_suffix(f".{threading.get_ident()}")
        size = ["--width", str(side), "--height", str(side), "--keep-aspect-ratio"]
        command = ["rsvg-convert", *size, "--background-color", "white", "--output", str(scratch), str(svg)]
        try:
            subprocess.run(command, check=True, timeout=RENDER_SECONDS, capture_output=True)
            scratch.replace(png)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired, FileNotFoundError) as error:
            if isinstance(error, FileNotFoundError) and shutil.which("rsvg-convert") is None:
                sys.exit("rsvg-convert is not installed; on Debian: apt-get install librsvg2-bin")
            scratch.unlink(missing_ok=True)
            failed.write_text(repr(error))
            return None
    with Image.open(png) as page:
        return page.convert("RGB")


def measure(picture: Image.Image, svg: Path) -> Richness:
    """Count colours (4 bits a channel, at least 0.05 % of the area), edges, coverage and drawn elements."""
    area = picture.width * picture.height
    coarse = picture.point(lambda level: level & 0xF0)
    counted = coarse.getcolors(area) or []
    grey = picture.convert("L")
    edges = grey.filter(ImageFilter.FIND_EDGES).point(lambda level: 255 * (level > 40))
    ink = grey.point(lambda level: 255 * (level < 248))
    return Richness(
        colours=sum(count * 2000 >= area for count, _ in counted),
        edges=ImageStat.Stat(edges).mean[0] / 255,
        coverage=ImageStat.Stat(ink).mean[0] / 255,
        paths=len(re.findall(rb"<(?:svg:)?(?:path|rect|circle|ellipse|polygon)\b", svg.read_bytes())),
    )


def difference_hash(picture: Image.Image) -> int:
    """256-bit luminance difference hash on a square canvas: recolouring moves few bits."""
    side = max(picture.size)
    square = Image.new("L", (side, side), 255)
    square.paste(picture.convert("L"), ((side - picture.width) // 2, (side - picture.height) // 2))
    levels = square.resize((17, 16), Image.Resampling.BOX).tobytes()
    bits = 0
    for y in range(16):
        for x in range(16):
            bits = bits << 1 | (levels[17 * y + x] < levels[17 * y + x + 1])
    return bits


def near_duplicates(hashes: Iterable[tuple[str, int]]) -> dict[str, list[str]]:
    """For each picture, earlier ones whose hashes differ in at most `NEAR_DUPLICATE_SHARE` of the bits."""
    seen: list[tuple[str, int]] = []
    found = {}
    for name, bits in hashes:
        close = [
            other
            for other, known in seen
            if (bits ^ known).bit_count() <= NEAR_DUPLICATE_SHARE * (bits | known).bit_count()
        ]
        if close:
            found[name] = close
        seen.append((name, bits))
    return found


def title_of(description: Description, depicts: str) -> str:
    """The picture's own title, or what is drawn where the title names a whole series."""
    series = re.search(r"clip ?arts?\b|collection$|^$", description.title.lower())
    return depicts.capitalize() if series else description.title


def survey(root: Path, cache: Path, sheets: Path) -> None:
    """Score every candidate and draw numbered contact sheets, with a JSON-lines list to choose from."""
    sheets.mkdir(parents=True, exist_ok=True)
    names = [name for name in candidates(root) if describe(root / name).licence]
    kept: list[tuple[str, Image.Image]] = []
    with (
        concurrent.futures.ThreadPoolExecutor(WORKERS) as pool,
        (sheets / "candidates.jsonl").open("w", encoding="utf-8") as listing,
    ):
        pictures = pool.map(lambda name: rasterise(root / name, cache), names)
        for name, picture in zip(names, pictures, strict=True):
            if picture is None:
                continue
            richness = measure(picture, root / name)
            record = {"n": len(kept), "name": name, "score": round(richness.score, 3), **asdict(richness)}
            record["hash"] = f"{difference_hash(picture):064x}"
            if richness.score >= 0.25:
                kept.append((name, picture))
                listing.write(json.dumps(record) + "\n")
    contact_sheets(kept, sheets)
    print(f"{len(kept)} of {len(names)} public-domain candidates are rich enough; see {sheets}")


def contact_sheets(pictures: Sequence[tuple[str, Image.Image]], folder: Path) -> None:
    """Sheets of 10 x 7 named, numbered pictures."""
    columns, rows, cell, label = 10, 7, 150, 24
    for start in range(0, len(pictures), columns * rows):
        sheet = Image.new("RGB", (columns * cell, rows * (cell + label)), "#cccccc")
        draw = ImageDraw.Draw(sheet)
        for offset, (name, picture) in enumerate(pictures[start : start + columns * rows]):
            x, y = offset % columns * cell, offset // columns * (cell + label)
            thumb = picture.copy()
            thumb.thumbnail((cell - 4, cell - 4))
            sheet.paste(thumb, (x + 2, y + 2))
            draw.text((x + 2, y + cell), f"{start + offset}", fill="#b00000")
            draw.text((x + 2, y + cell + 10), Path(name).stem[-24:], fill="black")
        sheet.save(folder / f"sheet-{start // (columns * rows):02d}.png")


def build(root: Path, cache: Path, output: Path, packages: Sequence[Path] = ()) -> None:
    """Write the chosen pictures and their tags.jsonl to `output`, replacing what was there."""
    scratch = output.with_name(f".{output.name}.{os.getpid()}")
    hashes, lines = [], []
    with tempfile.TemporaryDirectory() as folder:
        art = read_pieces(Path(folder), packages, rasterise)
        for piece in itertools.chain(clip_art(root, cache), art):
            target = scratch / piece.folder / f"{piece.name}.webp"
            if target.exists():
                sys.exit(f"{piece.source}: another picture has the file name {piece.folder}/{target.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            piece.picture.save(target, quality=WEBP_QUALITY, method=6, lossless=piece.lossless)
            hashes.append((piece.source, difference_hash(piece.picture)))
            record = {
                "path": target.relative_to(scratch).as_posix(),
                "title": piece.title,
                "author": piece.author,
                "tags": piece.tags,
                "source": piece.source,
                "licence": piece.licence,
            }
            lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    lines.sort(key=lambda line: str(json.loads(line)["path"]))
    (scratch / "tags.jsonl").write_text("".join(lines), encoding="utf-8")
    for name, close in near_duplicates(hashes).items():
        if len(close) >= VARIANTS_KEPT:
            sys.exit(f"{name}: more than {VARIANTS_KEPT} variants of one drawing: {', '.join(close)}")
        print(f"variant kept: {name} ~ {close[0]}")
    total = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
    if total > MAX_TOTAL_BYTES:
        sys.exit(f"{total} bytes in all; at most {MAX_TOTAL_BYTES} are wanted: choose fewer pictures")
    folders = sum(path.is_dir() for path in scratch.iterdir())
    shutil.rmtree(output, ignore_errors=True)
    scratch.rename(output)
    print(f"{len(lines)} pictures in {folders} folders, {total} bytes, in {output}")


def clip_art(root: Path, cache: Path) -> Iterator[Piece]:
    """The chosen drawings of Openclipart."""
    selection = tomllib.loads(SELECTION.read_text(encoding="utf-8"))
    chosen = [
        (category, *entry) for category in sorted(selection) for entry in sorted(selection[category].items())
    ]
    descriptions = {name: describe(root / name) for _, name, _ in chosen}
    words = {
        name: [*depicts.split(), *subject_words(name, descriptions[name])] for _, name, depicts in chosen
    }
    common = common_words(words.values())
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        pictures = pool.map(lambda entry: rasterise(root / entry[1], cache), chosen)
        for (category, name, depicts), picture in zip(chosen, pictures, strict=True):
            description = descriptions[name]
            if picture is None or description.licence is None:
                sys.exit(f"{name}: cannot be drawn, or does not state that it is in the public domain")
            tags = [common[word] for word in words[name] if word in common and word not in depicts.split()]
            yield Piece(
                folder=category,
                name=slug(Path(name).stem),
                picture=picture,
                lossless=False,
                title=title_of(description, depicts),
                author=description.author or "unknown",
                tags=tuple(dict.fromkeys([category, *depicts.split(), *tags])),
                source=f"Openclipart 0.18, {name}",
                licence=description.licence,
            )


def main() -> None:
    """Parse the command line and run one step."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("step", choices=["survey", "build"])
    parser.add_argument("--openclipart", type=Path, metavar="DIR", help="the unpacked folder of SVG files")
    parser.add_argument("--cache", type=Path, help="keep renderings here between runs")
    parser.add_argument("--sheets", type=Path, default=Path("sheets"), help="survey: where contact sheets go")
    parser.add_argument("--package", type=Path, action="append", default=[], help="a package file at hand")
    parser.add_argument("--output", type=Path, default=SAMPLE, help="build: where the sample goes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.openclipart or fetch_openclipart(Path(scratch))
        cache = arguments.cache or Path(scratch) / "renderings"
        cache.mkdir(parents=True, exist_ok=True)
        if arguments.step == "survey":
            survey(root, cache, arguments.sheets)
        else:
            build(root, cache, arguments.output, arguments.package)


if __name__ == "__main__":
    main()
