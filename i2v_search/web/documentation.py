"""The API documentation as a web page, made from the OpenAPI document, without scripts or external
resources."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; border-top: 1px solid #8886; padding-top: 1rem; font-size: 1.1rem }
code, pre { font: 0.9rem ui-monospace, monospace }
pre { overflow: auto; padding: 0.75rem; background: #8881; border-radius: 6px }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: 0.25rem 1rem 0.25rem 0 }
"""


def style_hash() -> str:
    """Hash of this page's style for a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def page(document: dict[str, Any]) -> str:
    """The page.

    Args:
        document: the OpenAPI document of FastAPI.
    """
    parts = [
        _operation(document, path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}: API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{title}: API</h1><p>{escape(document['info'].get('description', ''))} "
        'For programs: <a href="openapi.json">openapi.json</a>.</p>'
        f"<nav><ul>{_contents(document)}</ul></nav><main>{''.join(parts)}</main></body></html>"
    )


def _contents(document: dict[str, Any]) -> str:
    return "".join(
        f'<li><a href="#{escape(operation["operationId"])}">'
        f"<code>{method.upper()} {escape(path)}</code></a></li>"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )


def _operation(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [
        f'<h2 id="{escape(operation["operationId"])}"><code>{method.upper()} {escape(path)}</code></h2>',
        f"<p>{escape(operation.get('description', ''))}</p>",
    ]
    if operation.get("parameters"):
        rows = "".join(
            f"<tr><td><code>{escape(one['name'])}</code></td><td>{one['in']}</td>"
            f"<td>{escape(one.get('description', ''))}</td></tr>"
            for one in operation["parameters"]
        )
        parts.append(f"<table><tr><th>Parameter</th><th>in</th><th></th></tr>{rows}</table>")
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        described = shape(document, content.get("schema", {}), 0)
        parts.append(f"<p>Body, {escape(kind)}:</p><pre>{escape(described)}</pre>")
    rows = ""
    for status, response in operation["responses"].items():
        rows += f"<tr><td>{status}</td><td>{escape(response.get('description', ''))}</td></tr>"
        shapes = [
            shape(document, content.get("schema", {}), 0)
            for kind, content in response.get("content", {}).items()
            if kind == "application/json" and status[0] == "2"
        ]
        rows += "".join(f"<tr><td></td><td><pre>{escape(shape)}</pre></td></tr>" for shape in shapes)
    parts.append(f"<table><tr><th>Status</th><th></th></tr>{rows}</table>")
    return f"<section>{''.join(parts)}</section>"


def shape(document: dict[str, Any], schema: dict[str, Any], depth: int) -> str:
    """A schema as the JSON it describes, one field per line."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return shape(document, document["components"]["schemas"][name], depth)
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(shape(document, one, depth) for one in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"[{shape(document, schema.get('items', {}), depth)}, ...]"
    if schema.get("type") == "object" and "properties" in schema:
        indent = "  " * (depth + 1)
        lines = [
            f"{indent}{json.dumps(name)}: {shape(document, field, depth + 1)}{_note(field)}"
            for name, field in schema["properties"].items()
        ]
        return "{\n" + "\n".join(lines) + "\n" + "  " * depth + "}"
    return str(schema.get("type", "any"))


def _note(field: dict[str, Any]) -> str:
    notes = [field["description"]] if "description" in field else []
    if field.get("default") is not None:
        notes.append(f"default {json.dumps(field['default'])}")
    return f"  # {'; '.join(notes)}" if notes else ""
