"""``i2v-search models``: import, list, describe and remove models."""

from __future__ import annotations

from typing import Annotated

import typer

from i2v_search.cli.import_models import import_
from i2v_search.cli.options import JsonOption
from i2v_search.cli.renamed import RenamedOptions

models_app = typer.Typer(
    name="models",
    help="Get published models, or import Illustration2Vec weights and any ONNX encoder or tagger.",
    no_args_is_help=True,
)
models_app.command(
    "import",
    cls=RenamedOptions,
    epilog="Example: i2v-search models import illust2vec_tag_ver200.caffemodel --tags tag_list.json",
)(import_)

NameArgument = Annotated[str, typer.Argument(help="Name of an imported model.")]


@models_app.command("list", epilog="Example: i2v-search models list")
def list_(json: JsonOption = False) -> None:
    """List the imported models, and the encoders that other packages bring."""
    from i2v_search.cli import show
    from i2v_search.encoders.model_folder import broken_models, installed_models
    from i2v_search.encoders.registry import plugged_encoders

    cards, plugged = installed_models(), plugged_encoders()
    if json:
        described = [card.model_dump(mode="json") for card in cards]
        others = [{"name": name, "kind": "plug-in", "source": source} for name, source in plugged.items()]
        show.as_json([*described, *others])
    else:
        show.models(cards, plugged)
    for fault in broken_models():
        show.err.print(fault, markup=False)


@models_app.command("info", epilog="Example: i2v-search models info i2v-v2")
def info(name: NameArgument, json: JsonOption = False) -> None:
    """Show an imported model and check its files."""
    from i2v_search.cli import show
    from i2v_search.encoders.model_folder import check_model, check_text, find_model
    from i2v_search.errors import EncoderError

    card = find_model(name)
    if card is None:
        raise EncoderError(f"no imported model named {name!r}; i2v-search models list shows them")
    check_model(card)
    check_text(card)
    if json:
        show.as_json(card.model_dump(mode="json"))
    else:
        show.model(card)


@models_app.command("quantize", epilog="Example: i2v-search models quantize i2v-v2 ~/art")
def quantize(
    name: NameArgument,
    images: Annotated[list[str], typer.Argument(help="Typical images to calibrate with, a few hundred.")],
    new_name: Annotated[
        str | None, typer.Option("--name", help="Name of the copy (default: NAME-int8).")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Create an 8-bit copy of a feature model, faster on a CPU, and measure the loss of recall."""
    from i2v_search.cli import show
    from i2v_search.encoders.quantizing import quantize_model

    with show.progress() as report:
        made = quantize_model(name, images, new_name=new_name, report=report)
    if json:
        show.as_json(made.to_dict())
        return
    show.model(made.card)
    show.out.print(
        f"On {made.images} images its recall@10 against {name} is {made.recall_at_10:.3f} "
        f"(mean cosine of the vectors {made.cosine:.4f})."
    )


@models_app.command("remove", epilog="Example: i2v-search models remove i2v-v1")
def remove(name: NameArgument) -> None:
    """Delete an imported model; its collections are kept but accept no new images."""
    from i2v_search.cli import show
    from i2v_search.encoders.model_folder import remove_model

    remove_model(name)
    show.out.print(f"removed {name}", markup=False)
