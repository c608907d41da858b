"""The page of ratios says what the details below it say."""

import re
from pathlib import Path

import pytest

RESULTS = (Path(__file__).parents[2] / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
GLANCE, DETAILS = RESULTS.split("## How to read this")
ROWS = [line for line in GLANCE.splitlines() if line.endswith(") |")]
FIGURE = re.compile(r"\d[\d,]*(?:\.\d+)?")


def section(anchor: str) -> str:
    """Text of the section that a link on this page leads to."""
    for found in re.finditer(r"<!-- begin (.*?) -->(.*?)<!-- end \1 -->", DETAILS, re.DOTALL):
        if re.sub(r"[^\w-]", "", found[1].replace(" ", "-")) == anchor:
            return found[2]
    raise AssertionError(f"no section {anchor}")


@pytest.mark.parametrize("row", ROWS)
def test_every_figure_of_the_first_page_is_one_of_its_section(row: str) -> None:
    _, _, *cells, link, _ = row.split("|")
    anchor = re.search(r"\(#(.*)\)", link)
    assert anchor is not None
    known = set(FIGURE.findall(section(anchor[1])))
    said = {figure for cell in cells for figure in FIGURE.findall(cell)}
    assert said
    assert said <= known


def test_the_first_page_has_rows() -> None:
    assert len(ROWS) > 10
