"""The pages of the site: links that lead somewhere, and references that leave nothing out.

HTML is made of them by ``make site``, where every warning is a failure; that takes too long for a test.
"""

import re
from pathlib import Path

import pytest
import typer.main
from command_tree import commands
from folders import ROOT

import i2v_search
from i2v_search.cli.main import app
from scripts.site.pages import rewritten, write_pages

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    write_pages(ROOT, folder)
    return folder


def test_links_and_anchors_lead_somewhere(pages: Path) -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in pages.rglob("*.md")}
    assert len(texts) > 50
    for path, text in texts.items():
        for target in re.findall(
            r"\]\((?!https?:|mailto:)([^)\s#]+)", re.sub(r"```.*?```", "", text, flags=re.S)
        ):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_page_can_be_reached(pages: Path) -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    linked = " ".join(path.read_text(encoding="utf-8") for path in pages.glob("*.md"))
    for path in pages.glob("*.md"):
        reached = re.search(rf"\b{path.name}", navigation) or f"]({path.name}" in linked
        assert reached, f"neither mkdocs.yml nor a page leads to {path.name}"


def test_the_references_leave_nothing_out(pages: Path) -> None:
    command_page, python_page, http_page = (
        (pages / f"{name}-reference.md").read_text(encoding="utf-8") for name in ("command", "python", "http")
    )
    for name, command in commands(typer.main.get_command(app)):
        section = command_page.partition(f"## {name}\n")[2].partition("\n## ")[0]
        for parameter in command.params:
            assert parameter.opts[-1].lower() in section.lower(), f"{name} lacks {parameter.name}"
    for name in i2v_search.__all__:
        assert f"## {name}\n\n::: i2v_search." in python_page
    assert {"## search\n", "## upload\n", "## morph\n"} <= set(re.findall(r"## .*\n", http_page))


def test_a_link_to_what_is_not_on_the_site_is_refused() -> None:
    with pytest.raises(ValueError, match=r"docs/a\.md links to \.\./setup\.py, which is not on the site"):
        rewritten("[it](../setup.py)", "docs/a.md", {"docs/a.md": "a.md"})
