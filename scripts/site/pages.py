"""The pages of the site: the documentation with its links rewritten, and references made from the code."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from pathlib import Path

from scripts.site.references import command_reference, http_reference, python_reference

#: Pages that lie elsewhere in the repository than in ``docs``.
PLACES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "LICENSE": "LICENSE.txt",
    "NOTICE": "NOTICE.txt",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "index/README.md": "formats.md",
    "examples/plugin/README.md": "plugin-example.md",
    "docs/decisions": "decisions/index.md",
    "examples/notebook.ipynb": "notebook.ipynb",
    **{f"examples/deploy/{name}": name for name in ("compose.yaml", "kubernetes.yaml", "slurm.sh")},
}
#: Links and pictures of Markdown: text and target.
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_FENCE = re.compile(r"^```", re.MULTILINE)


def write_pages(root: Path, target: Path) -> None:
    """Write all pages.

    Args:
        root: of the repository.
        target: folder to write; what is in it is replaced.

    Raises:
        ValueError: a link leads to a file of the repository that is not on the site.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    places = {
        path.relative_to(root).as_posix(): path.relative_to(root / "docs").as_posix()
        for path in sorted((root / "docs").rglob("*"))
        if path.suffix in {".md", ".png"}
    }
    places.update(PLACES)
    for source, place in places.items():
        if (root / source).is_dir():
            continue
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        if source.endswith(".md"):
            text = (root / source).read_text(encoding="utf-8")
            (target / place).write_text(rewritten(text, source, places), encoding="utf-8")
        else:
            shutil.copyfile(root / source, target / place)
    made = {
        "decisions/index.md": _decisions(root),
        "command-reference.md": command_reference(),
        "python-reference.md": python_reference(),
        "http-reference.md": http_reference(),
    }
    for place, text in made.items():
        (target / place).write_text(text, encoding="utf-8")


def rewritten(text: str, source: str, places: dict[str, str]) -> str:
    """A page whose links lead to where its targets lie on the site.

    Args:
        text: of the page.
        source: its path in the repository.
        places: path on the site of each path in the repository.

    Example:
        >>> places = {"README.md": "index.md", "docs/a.md": "a.md"}
        >>> rewritten("[a](docs/a.md#b), [c](https://c.org)", "README.md", places)
        '[a](a.md#b), [c](https://c.org)'
    """

    def moved(match: re.Match[str]) -> str:
        target, _, anchor = match[2].partition("#")
        if not target or ":" in target:
            return match[0]
        found = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if found not in places:
            raise ValueError(f"{source} links to {target}, which is not on the site")
        place = os.path.relpath(places[found], posixpath.dirname(places[source]) or ".").replace(os.sep, "/")
        return f"{match[1]}{place}{'#' if anchor else ''}{anchor}{match[3]}"

    parts = _FENCE.split(text)  # every second one is code
    parts[::2] = [_LINK.sub(moved, part) for part in parts[::2]]
    return "```".join(parts)


def _decisions(root: Path) -> str:
    lines = ["# Decisions", "", "Context, decision, evidence and consequence of each.", ""]
    for path in sorted((root / "docs" / "decisions").glob("*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines) + "\n"
