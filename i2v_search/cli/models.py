"""``i2v-search models``: import, list, describe and remove models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from i2v_search.cli.options import JsonOption

if TYPE_CHECKING:
    from i2v_search.encoders.model_folder import ModelCard

models_app = typer.Typer(
    name="models",
    help="Import models: Illustration2Vec weights, or any ONNX encoder or tagger.",
    no_args_is_help=True,
)

Layout: TypeAlias = Literal["NCHW", "NHWC"]
Channels: TypeAlias = Literal["RGB", "BGR"]
Resize: TypeAlias = Literal["stretch", "pad", "crop"]
NameArgument = Annotated[str, typer.Argument(help="Name of an imported model.")]


@models_app.command(
    "import",
    epilog="Example: i2v-search models import illust2vec_tag_ver200.caffemodel --tags tag_list.json",
)
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="Model file (.caffemodel, .pth, .npz, .safetensors, .onnx) or folder of a trained model."
        ),
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model (default: the file's name).")
    ] = None,
    tags: Annotated[Path | None, typer.Option(help="Tag list (.json or .csv) of a tag model.")] = None,
    thresholds: Annotated[Path | None, typer.Option(help="Thresholds of the tags (.npz).")] = None,
    prototxt: Annotated[
        Path | None, typer.Option(help="Caffe network configuration to check the weights against.")
    ] = None,
    mean_file: Annotated[Path | None, typer.Option(help="Image mean (.npy or .binaryproto).")] = None,
    input_size: Annotated[
        int | None,
        typer.Option(min=8, help="Input side in pixels of another ONNX model."),
    ] = None,
    layout: Annotated[Layout, typer.Option(help="Order of the input axes.")] = "NCHW",
    channels: Annotated[Channels, typer.Option(help="Order of the colour channels.")] = "RGB",
    scale: Annotated[float, typer.Option(help="Divisor of the pixel values 0..255, applied first.")] = 1.0,
    mean: Annotated[str, typer.Option(help="Mean to subtract: one number or three.")] = "0",
    std: Annotated[str, typer.Option(help="Standard deviation to divide by: one number or three.")] = "1",
    resize: Annotated[
        Resize, typer.Option(help="How an image is made square; pad fills with white.")
    ] = "stretch",
    output: Annotated[str | None, typer.Option(help="Name of the vector output.")] = None,
    tag_output: Annotated[str | None, typer.Option(help="Name of the tag output.")] = None,
    logits: Annotated[bool, typer.Option("--logits", help="Apply a sigmoid to the tag output.")] = False,
    seconds: Annotated[
        float, typer.Option(min=1, help="Time limit in seconds for two images of an ONNX model.")
    ] = 300,
    json: JsonOption = False,
) -> None:
    """Import a model file for use as --encoder or --tagger."""
    from pydantic import ValidationError

    from i2v_search.cli import show
    from i2v_search.encoders.getting import import_known
    from i2v_search.encoders.importing import Companions, import_folder, import_onnx, import_weights
    from i2v_search.encoders.model_folder import OnnxDescription

    if file.is_dir():
        cards: tuple[ModelCard, ...] = (import_folder(file, name=name),)
    elif input_size is None:
        companions = Companions(tags, thresholds, prototxt, mean_file)
        known = import_known(file, name, companions=companions, seconds=seconds)
        for note in known.notes if known else ():
            show.err.print(note, markup=False)
        cards = known.cards if known else import_weights(file, name=name, companions=companions)
    else:
        if name is None:
            raise typer.BadParameter("give a model name with --name")
        try:
            description = OnnxDescription(
                size=input_size,
                layout=layout,
                channels=channels,
                scale=scale,
                mean=_triple("--mean", mean),
                std=_triple("--std", std),
                resize=resize,
                output=output,
                tag_output=tag_output,
                logits=logits,
            )
        except ValidationError as error:
            fault = error.errors()[0]
            option = "--input-size" if fault["loc"][0] == "size" else f"--{fault['loc'][0]}"
            raise typer.BadParameter(f"{option}: {fault['msg']}, not {fault['input']}") from None
        cards = (import_onnx(file, name=name, description=description, tags=tags, seconds=seconds),)
    if json:
        show.as_json([card.model_dump(mode="json") for card in cards])
    for card in () if json else cards:
        show.model(card)


@models_app.command("list", epilog="Example: i2v-search models list")
def list_(json: JsonOption = False) -> None:
    """List the imported models."""
    from i2v_search.cli import show
    from i2v_search.encoders.model_folder import broken_models, installed_models

    cards = installed_models()
    if json:
        show.as_json([card.model_dump(mode="json") for card in cards])
    else:
        show.models(cards)
    for fault in broken_models():
        show.err.print(fault, markup=False)


@models_app.command("info", epilog="Example: i2v-search models info i2v-v2")
def info(name: NameArgument, json: JsonOption = False) -> None:
    """Show an imported model and check its file."""
    from i2v_search.cli import show
    from i2v_search.encoders.model_folder import check_model, find_model
    from i2v_search.errors import EncoderError

    card = find_model(name)
    if card is None:
        raise EncoderError(f"no imported model named {name!r}; i2v-search models list shows them")
    check_model(card)
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


def _triple(option: str, text: str) -> tuple[float, float, float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3:
        raise typer.BadParameter(f"{option} takes one number, or three separated by commas, not {text!r}")
    return numbers[0], numbers[1], numbers[2]
