"""Make a checkout ready for a wheel: the project's addresses, and a README whose links work outside of it.

``python scripts/release.py https://github.com/OWNER/NAME v0.2.0``, as ``.github/workflows/release.yml`` does.
Where the project lies is known to the checkout of a release alone, so neither is in the repository.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
_LINK = re.compile(r"(\]\()(?!https?:|#)([^)\s]+)\)")


def with_addresses(project: str, url: str) -> str:
    """A ``pyproject.toml`` with ``[project.urls]``.

    >>> print(with_addresses('[project]\\nname = "a"\\n\\n[project.scripts]\\n', "https://e.org/a").split("[")[2])
    project.urls]
    Homepage = "https://e.org/a"
    Documentation = "https://e.org/a/blob/HEAD/docs"
    Issues = "https://e.org/a/issues"
    Changelog = "https://e.org/a/blob/HEAD/CHANGELOG.md"
    <BLANKLINE>
    <BLANKLINE>
    """
    urls = {
        "Homepage": url,
        "Documentation": f"{url}/blob/HEAD/docs",
        "Issues": f"{url}/issues",
        "Changelog": f"{url}/blob/HEAD/CHANGELOG.md",
    }
    table = "\n".join(f'{name} = "{address}"' for name, address in urls.items())
    return project.replace("[project.scripts]", f"[project.urls]\n{table}\n\n[project.scripts]", 1)


def with_whole_links(readme: str, url: str, tag: str) -> str:
    """A README whose links and pictures lead to the repository at a tag.

    >>> with_whole_links("![a](docs/a.png) [b](docs/b.md)", "https://e.org/a", "v1")
    '![a](https://e.org/a/raw/v1/docs/a.png) [b](https://e.org/a/blob/v1/docs/b.md)'
    """

    def whole(match: re.Match[str]) -> str:
        kind = "raw" if match[2].endswith(".png") else "blob"
        return f"{match[1]}{url}/{kind}/{tag}/{match[2]})"

    return _LINK.sub(whole, readme)


def main(url: str, tag: str) -> None:
    """Change both files; fail where the tag is not the version."""
    project, readme = ROOT / "pyproject.toml", ROOT / "README.md"
    text = project.read_text(encoding="utf-8")
    version = tomllib.loads(text)["project"]["version"]
    if tag != f"v{version}":
        sys.exit(f"the tag is {tag}, but pyproject.toml has version {version}")
    if f"## [{version}]" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        sys.exit(f"CHANGELOG.md has no section [{version}]")
    project.write_text(with_addresses(text, url), encoding="utf-8")
    readme.write_text(with_whole_links(readme.read_text(encoding="utf-8"), url, tag), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
