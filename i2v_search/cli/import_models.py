"""``i2v-search models import``: options that describe a model, and its import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from i2v_search.cli.options import JsonOption

if TYPE_CHECKING:
    from i2v_search.encoders.model_card import ModelCard, OnnxDescription, TextInput

_IMAGE, _OUTPUT, _TEXT = "Images of an ONNX model", "Outputs of an ONNX model", "Text tower of an ONNX model"


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
    thresholds: Annotated[
        str | None,
        typer.Option(help="Thresholds of the tags: .npz, 0.26, or general=0.3,character=0.85."),
    ] = None,
    prototxt: Annotated[
        Path | None, typer.Option(help="Caffe network configuration to check the weights against.")
    ] = None,
    mean_file: Annotated[Path | None, typer.Option(help="Image mean (.npy or .binaryproto).")] = None,
    input_size: Annotated[
        int | None,
        typer.Option(min=8, help="Input side in pixels of another ONNX model.", rich_help_panel=_IMAGE),
    ] = None,
    layout: Annotated[
        Literal["NCHW", "NHWC"], typer.Option(help="Order of the input axes.", rich_help_panel=_IMAGE)
    ] = "NCHW",
    channels: Annotated[
        Literal["RGB", "BGR"], typer.Option(help="Order of the colour channels.", rich_help_panel=_IMAGE)
    ] = "RGB",
    scale: Annotated[
        float,
        typer.Option(help="Divisor of the pixel values 0..255, applied first.", rich_help_panel=_IMAGE),
    ] = 1.0,
    mean: Annotated[
        str, typer.Option(help="Mean to subtract: one number or three.", rich_help_panel=_IMAGE)
    ] = "0",
    std: Annotated[
        str,
        typer.Option(help="Standard deviation to divide by: one number or three.", rich_help_panel=_IMAGE),
    ] = "1",
    resize: Annotated[
        Literal["stretch", "pad", "letterbox", "crop"],
        typer.Option(
            help="How an image is made square; pad fills before resizing, letterbox after it.",
            rich_help_panel=_IMAGE,
        ),
    ] = "stretch",
    resample: Annotated[
        Literal["bicubic", "bilinear"], typer.Option(help="Interpolation.", rich_help_panel=_IMAGE)
    ] = "bicubic",
    pad_colour: Annotated[
        str, typer.Option(help="Colour to pad with, such as black or '#7c7468'.", rich_help_panel=_IMAGE)
    ] = "white",
    output: Annotated[
        str | None, typer.Option(help="Name of the vector output.", rich_help_panel=_OUTPUT)
    ] = None,
    pooling: Annotated[
        Literal["none", "cls", "mean"],
        typer.Option(help="Vector of an output with a row for each token.", rich_help_panel=_OUTPUT),
    ] = "none",
    tag_output: Annotated[
        str | None, typer.Option(help="Name of the tag output.", rich_help_panel=_OUTPUT)
    ] = None,
    activation: Annotated[
        Literal["none", "sigmoid", "softmax"],
        typer.Option(help="Function to apply to the tag output.", rich_help_panel=_OUTPUT),
    ] = "none",
    text: Annotated[
        Path | None,
        typer.Option(help="ONNX file of the text tower (default: FILE itself).", rich_help_panel=_TEXT),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(help="Its tokenizer.json, or spiece.model.", rich_help_panel=_TEXT),
    ] = None,
    text_output: Annotated[
        str | None, typer.Option(help="Name of its vector output.", rich_help_panel=_TEXT)
    ] = None,
    text_inputs: Annotated[
        str | None,
        typer.Option(help="Its inputs, such as ids=input0,mask=input1.", rich_help_panel=_TEXT),
    ] = None,
    text_length: Annotated[
        int | None, typer.Option(help="Number of tokens of a text.", rich_help_panel=_TEXT)
    ] = None,
    text_pad: Annotated[
        int | None, typer.Option(help="Id of the padding token.", rich_help_panel=_TEXT)
    ] = None,
    text_case: Annotated[
        Literal["keep", "lower", "canonical"] | None,
        typer.Option(help="Letters; canonical also omits punctuation.", rich_help_panel=_TEXT),
    ] = None,
    text_pooling: Annotated[
        Literal["none", "cls", "mean"],
        typer.Option(help="Vector of an output with a row for each token.", rich_help_panel=_TEXT),
    ] = "none",
    language: Annotated[
        Literal["en", "ja", "zh"], typer.Option(help="Its main language.", rich_help_panel=_TEXT)
    ] = "en",
    seconds: Annotated[
        float, typer.Option(min=1, help="Time limit in seconds for two images and texts of an ONNX model.")
    ] = 300,
    json: JsonOption = False,
) -> None:
    """Import a model file for use as --encoder or --tagger."""
    from i2v_search.cli import show
    from i2v_search.encoders.getting import import_known
    from i2v_search.encoders.importing import Companions, import_folder, import_onnx, import_weights
    from i2v_search.encoders.text_import import TextSource

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
        if tokenizer is None and text is not None:
            raise typer.BadParameter("--text needs the tokenizer of the model: --tokenizer tokenizer.json")
        description = _description(
            size=input_size,
            layout=layout,
            channels=channels,
            scale=scale,
            mean=_triple("--mean", mean),
            std=_triple("--std", std),
            resize=resize,
            resample=resample,
            pad_colour=_colour(pad_colour),
            output=output,
            pooling=pooling,
            tag_output=tag_output,
            activation=activation,
        )
        source = (
            None
            if tokenizer is None
            else TextSource(
                tokenizer=tokenizer,
                model=text,
                output=text_output,
                inputs=_pairs(text_inputs),
                length=text_length,
                pad=text_pad,
                case=text_case,
                pooling=text_pooling,
                language=language,
            )
        )
        card = import_onnx(
            file,
            name=name,
            description=description,
            tags=tags,
            thresholds=thresholds,
            text=source,
            seconds=seconds,
        )
        cards = (card,)
    if json:
        show.as_json([card.model_dump(mode="json") for card in cards])
    for card in () if json else cards:
        show.model(card)


def _description(**options: Any) -> OnnxDescription:
    from pydantic import ValidationError

    from i2v_search.encoders.model_card import OnnxDescription

    try:
        return OnnxDescription(**options)
    except ValidationError as error:
        fault = error.errors()[0]
        option = "--input-size" if fault["loc"][0] == "size" else f"--{fault['loc'][0]}"
        raise typer.BadParameter(f"{option}: {fault['msg']}, not {fault['input']}") from None


def _colour(text: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    try:
        red, green, blue, *_ = ImageColor.getrgb(text)
    except ValueError:
        raise typer.BadParameter(
            f"--pad-colour takes a name or '#rrggbb', such as black or '#7c7468', not {text!r}"
        ) from None
    return red, green, blue


def _pairs(text: str | None) -> dict[TextInput, str]:
    if text is None:
        return {}
    pairs = [part.strip().partition("=") for part in text.split(",")]
    found = {role: name for role, _, name in pairs if name}
    if "ids" not in found or len(found) != len(pairs) or set(found) - {"ids", "mask", "positions", "types"}:
        raise typer.BadParameter(
            f"--text-inputs takes ids=NAME, and mask=, positions= and types= if there are such, not {text!r}"
        )
    return cast("dict[TextInput, str]", found)


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
