"""Make the site's pages in ``.site/pages`` and its HTML in ``.site/html``; a warning is a failure."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from scripts.site.pages import write_pages

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Make the site."""
    parser = argparse.ArgumentParser(prog="python -m scripts.site", description=main.__doc__)
    parser.add_argument("--pages-only", action="store_true", help="do not make HTML of them")
    asked = parser.parse_args()
    write_pages(ROOT, ROOT / ".site" / "pages")
    if not asked.pages_only:
        command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
        subprocess.run(
            [*command, "--config-file", str(ROOT / "mkdocs.yml")],
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},  # decision 4 says what comes after Material
            check=True,
        )
        print(f"the site is in {ROOT / '.site' / 'html'}")


if __name__ == "__main__":
    main()
