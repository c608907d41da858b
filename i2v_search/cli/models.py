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
    help="Import model files: Illustration2Vec weights, original or ported, and any ONNX encoder or tagger.",
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
        Path, typer.Argument(help=".caffemodel, .pth, .npz, .safetensors, .onnx, or a trained folder.")
    ],
    name: Annotated[str | None, typer.Option("--name", help="Its name; default: after the file's.")] = None,
    tags: Annotated[Path | None, typer.Option(help="List of tags (.json or .csv) of a tag model.")] = None,
    thresholds: Annotated[Path | None, typer.Option(help="Each tag's thresholds (.npz).")] = None,
    prototxt: Annotated[Path | None, typer.Option(help="Caffe configuration to check against.")] = None,
    mean_file: Annotated[Path | None, typer.Option(help="Image mean (.npy or .binaryproto).")] = None,
    input_size: Annotated[
        int | None,
        typer.Option(min=8, help="For any other ONNX model: side of its input."),
    ] = None,
    layout: Annotated[Layout, typer.Option(help="Order of the input's axes.")] = "NCHW",
    channels: Annotated[Channels, typer.Option(help="Order of its channels.")] = "RGB",
    scale: Annotated[float, typer.Option(help="Pixels 0..255 are divided by this first.")] = 1.0,
    mean: Annotated[str, typer.Option(help="Then this is subtracted: one number or three.")] = "0",
    std: Annotated[str, typer.Option(help="Then they are divided by this: one number or three.")] = "1",
    resize: Annotated[Resize, typer.Option(help="How an image becomes square; pad is white.")] = "stretch",
    output: Annotated[str | None, typer.Option(help="Name of the output with the vector.")] = None,
    tag_output: Annotated[str | None, typer.Option(help="Name of the output with the tags.")] = None,
    logits: Annotated[bool, typer.Option("--logits", help="The tag output needs a sigmoid.")] = False,
    seconds: Annotated[
        float, typer.Option(min=1, help="Most time an ONNX model may take for two images.")
    ] = 300,
    json: JsonOption = False,
) -> None:
    """Check a model file, convert it once, and make it usable as --encoder or --tagger."""
    from pydantic import ValidationError

    from i2v_search.cli import show
    from i2v_search.encoders.importing import Companions, import_folder, import_onnx, import_weights
    from i2v_search.encoders.model_folder import OnnxDescription

    if file.is_dir():
        cards: tuple[ModelCard, ...] = (import_folder(file, name=name),)
    elif input_size is None:
        cards = import_weights(file, name=name, companions=Companions(tags, thresholds, prototxt, mean_file))
    else:
        if name is None:
            raise typer.BadParameter("give the model a --name")
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
    """Tell what an imported model is, and check its file."""
    from i2v_search.cli import show
    from i2v_search.encoders.model_folder import check_model, find_model
    from i2v_search.errors import EncoderError

    card = find_model(name)
    if card is None:
        raise EncoderError(f"no imported model is called {name!r}; i2v-search models list shows them")
    check_model(card)
    if json:
        show.as_json(card.model_dump(mode="json"))
    else:
        show.model(card)


@models_app.command("quantize", epilog="Example: i2v-search models quantize i2v-v2 ~/art")
def quantize(
    name: NameArgument,
    images: Annotated[list[str], typer.Argument(help="Typical images, some hundred.")],
    new_name: Annotated[str | None, typer.Option("--name", help="Of the copy; default: NAME-int8.")] = None,
    json: JsonOption = False,
) -> None:
    """Make an 8-bit copy of a feature model, faster on a CPU, and measure what it costs in recall."""
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
    """Delete an imported model; collections made with it stay, but take no new images."""
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
