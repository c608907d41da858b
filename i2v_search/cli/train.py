"""``i2v-search train``: a network of one's own, from tagged pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.choices import (
    Device,
    DeviceName,
    Precision,
    TrainingCriterion,
    TrainingModel,
    TrainingOptimizer,
)
from i2v_search.cli.options import ExcludeOption, JsonOption

if TYPE_CHECKING:
    from i2v_search.training.report import RunReport


def train(
    sets: Annotated[
        list[str], typer.Argument(help="Data sets: folders or archives with tags beside the pictures.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the model, its report and curves.")],
    exclude: ExcludeOption = None,
    model: Annotated[TrainingModel, typer.Option(help="The network.")] = "lite",
    start: Annotated[
        str | None, typer.Option("--from", help="Weights to start from: a file, a model's name or folder.")
    ] = None,
    freeze: Annotated[bool, typer.Option("--freeze", help="Train the head of lite only: quick.")] = False,
    copies: Annotated[int, typer.Option(help="With --freeze: augmented copies of each image.")] = 4,
    epochs: Annotated[int, typer.Option(help="Passes over the images, at most.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Images a forward pass.")] = 32,
    accumulate: Annotated[int, typer.Option(help="Forward passes an update.")] = 1,
    optimizer: Annotated[TrainingOptimizer, typer.Option(help="Which optimizer.")] = "adamw",
    learning_rate: Annotated[float, typer.Option(help="Highest, of layers from scratch.")] = 1e-3,
    pretrained_rate: Annotated[float, typer.Option(help="Share of it for layers of --from.")] = 0.1,
    weight_decay: Annotated[float, typer.Option(help="Of weights, not of biases.")] = 1e-2,
    warmup: Annotated[float, typer.Option(help="Share of the updates in which the rate rises.")] = 0.05,
    clip: Annotated[float, typer.Option(help="Largest norm of a gradient; 0 is any.")] = 1.0,
    positive_weight: Annotated[float, typer.Option(help="0 to 1: make rare tags weigh more.")] = 0.0,
    validation: Annotated[float, typer.Option(help="Share of the images never trained on.")] = 0.1,
    minimum: Annotated[int, typer.Option(help="Images a tag needs to be learned.")] = 20,
    criterion: Annotated[TrainingCriterion, typer.Option(help="What tells the best epoch.")] = "map",
    patience: Annotated[
        int, typer.Option(help="Stop after so many epochs that are no better; 0: never.")
    ] = 5,
    seed: Annotated[int, typer.Option(help="Another seed, another run.")] = 0,
    no_augment: Annotated[bool, typer.Option("--no-augment", help="Images as they are.")] = False,
    name: Annotated[str | None, typer.Option("--name", help="Of the model; default: after --out.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished run in --out; same options.")
    ] = False,
    device: Annotated[DeviceName, typer.Option("--device", help="Where it trains.")] = "auto",
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")] = None,
    precision: Annotated[Precision, typer.Option("--precision", help="Mixed precision.")] = "auto",
    json: JsonOption = False,
) -> None:
    """Train a network on tagged pictures; afterwards --encoder OUT and --tagger OUT use it.

    Stop it at any time with Ctrl-C; the same command with --resume goes on as if nothing had happened.
    """
    from i2v_search.cli import show
    from i2v_search.training.augment import NO_AUGMENTATION, Augmentation
    from i2v_search.training.datasets.dataset import read_dataset
    from i2v_search.training.initial import read_start
    from i2v_search.training.run import train as run
    from i2v_search.training.settings import TrainingSettings

    settings = TrainingSettings(
        model=model,
        frozen=freeze,
        copies=copies,
        epochs=epochs,
        batch_size=batch_size,
        accumulate=accumulate,
        optimizer=optimizer,
        learning_rate=learning_rate,
        pretrained_rate=pretrained_rate,
        weight_decay=weight_decay,
        warmup=warmup,
        clip=clip,
        positive_weight=positive_weight,
        validation=validation,
        minimum=minimum,
        criterion=criterion,
        patience=patience,
        seed=seed,
        augmentation=NO_AUGMENTATION if no_augment else Augmentation(),
    )
    try:
        with show.progress() as report:
            made = run(
                [read_dataset(source, exclude=exclude or ()) for source in sets],
                out,
                settings,
                start=read_start(start) if start else None,
                name=name,
                resume=resume,
                device=Device(device, threads, precision=precision),
                report=report,
            )
    except KeyboardInterrupt:
        show.err.print(f"stopped; the same command with --resume goes on from {out}", markup=False)
        raise typer.Exit(130) from None
    if json:
        show.as_json(made.to_dict())
    else:
        _show(made)


def _show(made: RunReport) -> None:
    from rich.markup import escape
    from rich.table import Table

    from i2v_search.cli import show

    table = Table(
        "epoch", "training loss", "validation loss", "mAP", "images/s", box=None, header_style="bold"
    )
    for epoch in made.epochs:
        checked = [f"{epoch[key]:.4f}" if epoch[key] is not None else "" for key in _CHECKED]
        mark = "*" if epoch["number"] == made.best_epoch else ""
        rate = f"{epoch['images_per_second']:,.0f}"
        table.add_row(f"{epoch['number']}{mark}", f"{epoch['training_loss']:.4f}", *checked, rate)
    show.out.print(table)
    if made.finished == "early":
        show.out.print("Stopped early: validation got no better.")
    gives = "vectors and tags" if made.dimension else "tags"
    uses = f"--encoder {made.directory}" if made.dimension else f"--tagger {made.directory}"
    tags = ", ".join(f"{count} {category}" for category, count in made.vocabulary.items())
    show.out.print(
        f"{escape(made.directory)} gives {gives} ({tags}). Use it with {escape(uses)}, or install it with: "
        f"i2v-search models import {escape(made.directory)}"
    )
    show.skipped(made.skipped)


_CHECKED = ("validation_loss", "validation_map")
