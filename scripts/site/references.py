"""References that are made from the code: the command line, the Python API and the HTTP API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

import i2v_search
from i2v_search.cli.main import app
from i2v_search.web.app import create_app
from i2v_search.web.documentation import shape
from i2v_search.web.server_settings import ServerSettings


def command_reference() -> str:
    """Every command with its arguments and options, from typer."""
    group: Any = typer.main.get_command(app)
    lines = ["# Command reference", "", "Made from the program itself; the same as `--help`.", ""]
    for name, command in _commands(group):
        context = typer.Context(command, info_name=f"i2v-search {name}")
        usage = " ".join(command.collect_usage_pieces(context))
        lines += [f"## {name}", "", command.help.strip(), "", f"    i2v-search {name} {usage}", ""]
        lines += _table(("argument or option", "meaning"), [_parameter(one) for one in command.params])
        if command.epilog:
            lines += [f"{_cell(command.epilog)}", ""]
    return "\n".join(lines)


def _commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, *names, name)
        elif not command.hidden:
            yield " ".join((*names, name)), command


def _parameter(parameter: Any) -> tuple[str, str]:
    names = [*parameter.opts, *parameter.secondary_opts]
    shown = ", ".join(f"`{name}`" for name in names if name.startswith("-")) or f"`{parameter.name.upper()}`"
    help_text = getattr(parameter, "help", "") or ""
    default = parameter.default
    is_said = "default" in help_text or isinstance(default, bool) or not str(default)
    if isinstance(default, str | int | float | Path) and not is_said:
        help_text += f" Default: `{default}`."
    return shown, help_text.strip()


def python_reference() -> str:
    """Directives of mkdocstrings for every public name."""
    lines = ["# Python reference", "", "Made from the docstrings. [An introduction](python.md).", ""]
    for name in i2v_search.__all__:
        module = i2v_search._HOMES.get(name)
        place = f"{module}.{name}" if module else i2v_search._MODULES[name]
        lines += [f"## {name}", "", f"::: i2v_search.{place}", ""]
    return "\n".join(lines)


def http_reference() -> str:
    """Every address of the HTTP API, from its OpenAPI document."""
    document = create_app(Path("none"), ServerSettings()).openapi()
    lines = ["# HTTP reference", "", "Made from the OpenAPI document. [An introduction](http.md).", ""]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += [f"## {operation['operationId']}", "", f"`{method.upper()} {path}`", ""]
            lines += [_cell(operation.get("description", "")), ""]
            rows = [
                (f"`{one['name']}` ({one['in']})", one.get("description", ""))
                for one in operation.get("parameters", [])
            ]
            lines += _table(("parameter", "meaning"), rows)
            for kind, content in operation.get("requestBody", {}).get("content", {}).items():
                lines += _code(f"Body, `{kind}`:", shape(document, content.get("schema", {}), 0))
            lines += _answers(document, operation["responses"])
    return "\n".join(lines)


def _answers(document: dict[str, Any], responses: dict[str, Any]) -> list[str]:
    lines = []
    for status, response in responses.items():
        if status.startswith("2"):
            kinds = response.get("content", {}) or {"nothing": {}}
            for kind, content in kinds.items():
                described = shape(document, content["schema"], 0) if content.get("schema") else ""
                lines += _code(f"Answer {status}, `{kind}`:", described)
    refused = ", ".join(status for status in responses if not status.startswith("2"))
    return [*lines, f"Refused with {refused}: [errors](http.md).", ""]


def _code(title: str, text: str) -> list[str]:
    return [title, "", *(["```", text, "```", ""] if text else [])]


def _table(titles: tuple[str, str], rows: list[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    head = [f"| {titles[0]} | {titles[1]} |", "| --- | --- |"]
    return [*head, *(f"| {_cell(left)} | {_cell(right)} |" for left, right in rows), ""]


def _cell(text: str) -> str:
    """A text on one line, in which Markdown and HTML find nothing of theirs but code."""
    text = " ".join(text.split()).replace("|", "\\|").replace("``", "`")
    pieces = text.split("`")
    plain = [piece.replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[") for piece in pieces]
    return "`".join(plain[n] if n % 2 == 0 else piece for n, piece in enumerate(pieces))
