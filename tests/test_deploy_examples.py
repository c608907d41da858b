"""Files for containers and clusters: they name commands and options that there are."""

import re
import shlex
from typing import Any

import typer.main
import yaml
from command_tree import commands
from folders import ROOT

from i2v_search.cli.main import app

DEPLOY = ROOT / "examples" / "deploy"
COMMANDS = dict(commands(typer.main.get_command(app)))


def check(words: list[str]) -> None:
    """A command and its options exist."""
    parameters = COMMANDS[words[0]].params
    known = {option for one in parameters for option in (*one.opts, *one.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known, words


def test_the_dockerfile_serves_a_page_as_a_user_who_is_not_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    words = {
        line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in lines if re.match("[A-Z]+ ", line)
    }
    assert words["USER"] == "art"
    assert words["ENTRYPOINT"] == '["i2v-search"]'
    check(yaml.safe_load(words["CMD"]))
    kept = (ROOT / ".dockerignore").read_text().split()
    for name in ["i2v_search", "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "NOTICE"]:
        assert f"!{name}" in kept
        assert (ROOT / name).exists()


def test_the_composition_and_the_cluster_start_commands_that_there_are() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    check(services["i2v-search"]["command"])
    job, page, service = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    check(shlex.split(container["args"][0])[2:])
    (container,) = page["spec"]["template"]["spec"]["containers"]
    check(container["args"])
    assert service["spec"]["selector"] == page["spec"]["template"]["metadata"]["labels"]
    for kind in (job, page):
        assert_mounted(kind["spec"]["template"]["spec"])


def assert_mounted(pod: dict[str, Any]) -> None:
    """Every volume of a pod is mounted, and nothing else is."""
    mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_the_array_job_extracts_a_share() -> None:
    text = (DEPLOY / "slurm.sh").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^i2v-search (.*)$", text, re.MULTILINE)
    check(shlex.split(line))
