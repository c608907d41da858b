"""Every test is of one kind, so that `make quick` leaves out what it says; others run the same commands."""

import re
from pathlib import Path

import pytest
from kinds import KINDS

ROOT = Path(__file__).parent.parent


def test_every_test_has_the_mark_of_one_kind(request: pytest.FixtureRequest) -> None:
    marks = {item.nodeid: {mark.name for mark in item.iter_markers()} for item in request.session.items}
    assert {name: found for name, found in marks.items() if len(found.intersection(KINDS)) != 1} == {}


def test_the_workflow_and_the_hooks_run_what_make_runs() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in (word for step in steps for word in re.findall(r"make (\w+)", step.get("run", ""))):
        assert f"\n{word}:" in makefile
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert local["repo"] == "local"
    for hook in local["hooks"]:
        assert hook["language"] == "system"
        command = hook["entry"].removesuffix(" --force-exclude").removeprefix(".venv/bin/")
        assert f"$(BIN)/{command}" in makefile
