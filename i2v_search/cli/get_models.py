"""``i2v-search models get`` and ``models available``: published models by their name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.cli.options import JsonOption

if TYPE_CHECKING:
    from i2v_search.encoders.known_models import KnownModel


def get(
    names: Annotated[list[str], typer.Argument(help="Names in the catalogue; see models available.")],
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="Folder with the files, instead of downloading them."),
    ] = None,
    accept_hash: Annotated[
        bool,
        typer.Option(
            "--accept-hash",
            help="Accept a file whose SHA-256 nobody recorded, or that differs from a single record.",
        ),
    ] = False,
    seconds: Annotated[
        float, typer.Option(min=1, help="Time limit in seconds for two images of an ONNX model.")
    ] = 300,
    json: JsonOption = False,
) -> None:
    """Download published models, check and import them.

    An interrupted download continues when the command is run again. I2V_SEARCH_MIRROR names a server with the
    same files, HF_ENDPOINT one in place of huggingface.co.
    """
    from i2v_search.cli import show
    from i2v_search.encoders.getting import get_model
    from i2v_search.encoders.model_files import Where

    where, documents = Where.of_environment(folder, accept_hash=accept_hash), []
    for name in names:
        with show.progress() as report:
            got = get_model(name, where, seconds=seconds, report=report)
        command = f"i2v-search build FOLDER {got.options}"
        cards = [card.model_dump(mode="json") for card in got.cards]
        documents.append({"name": name, "models": cards, "notes": got.notes, "build": command})
        for note in got.notes:
            show.err.print(note, markup=False)
        for card in () if json else got.cards:
            show.model(card)
        if not json:
            show.out.print(f"Build a collection with it: {command}", markup=False)
    if json:
        show.as_json(documents)


def available(json: JsonOption = False) -> None:
    """List the models that can be downloaded, with size, licence and purpose."""
    from i2v_search.cli import show
    from i2v_search.encoders.known_models import shipped_catalogue

    known = shipped_catalogue().model
    if json:
        show.as_json([model.to_dict() for model in known])
    else:
        _show_table(known)


def _show_table(known: tuple[KnownModel, ...]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from i2v_search.cli import show

    table = Table(box=None, header_style="bold")
    table.add_column("model", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    table.add_column("good for", overflow="fold")
    for model in known:
        size = f"{'' if model.is_exact else '~'}{model.size / 1e6:,.0f} MB"
        table.add_row(model.name, size, model.licence, escape(_purpose(model)))
    show.out.print(table)
    show.out.print("Import one with: i2v-search models get MODEL", markup=False)


def _purpose(model: KnownModel) -> str:
    """What a model is good for and gives, and what is to be known of its files."""
    if model.unsupported:
        return f"not yet supported: {model.unsupported}"
    gives = [f"{model.dimension}-d vectors"] if model.dimension else []
    gives += [f"{model.tags:,} tags"] if model.tags else []
    gives += ["words"] if model.text else []
    told = f"{model.good_for} ({', '.join(gives)})" if gives else model.good_for
    return told if model.recorded == "recorded" else f"{told}; SHA-256: {model.recorded}"
