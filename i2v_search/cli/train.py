"""``i2v-search train``: train a network on tagged pictures."""

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
    sets: Annotated[list[str], typer.Argument(help="Data sets: folders or archives of tagged pictures.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Output folder for the model, its report and curves.")
    ],
    exclude: ExcludeOption = None,
    model: Annotated[TrainingModel, typer.Option(help="Network to train.")] = "lite",
    start: Annotated[
        str | None, typer.Option("--from", help="Initial weights: a file, or the name or folder of a model.")
    ] = None,
    freeze: Annotated[bool, typer.Option("--freeze", help="Train only the head of lite (fast).")] = False,
    copies: Annotated[int, typer.Option(help="Number of augmented copies of each image, with --freeze.")] = 4,
    epochs: Annotated[int, typer.Option(help="Maximum number of epochs.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Number of images per forward pass.")] = 32,
    accumulate: Annotated[int, typer.Option(help="Number of forward passes per update.")] = 1,
    optimizer: Annotated[TrainingOptimizer, typer.Option(help="Optimizer.")] = "adamw",
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate of new layers.")] = 1e-3,
    pretrained_rate: Annotated[
        float, typer.Option(help="Factor of the learning rate for layers from --from.")
    ] = 0.1,
    weight_decay: Annotated[float, typer.Option(help="Weight decay (not applied to biases).")] = 1e-2,
    warmup: Annotated[
        float, typer.Option(help="Fraction of the updates with a rising learning rate.")
    ] = 0.05,
    warmup_updates: Annotated[
        int, typer.Option(help="Minimum number of updates with a rising learning rate.")
    ] = 0,
    clip: Annotated[float, typer.Option(help="Maximum norm of the gradient; 0: no limit.")] = 1.0,
    positive_weight: Annotated[float, typer.Option(help="Extra weight of rare tags, 0 to 1.")] = 0.0,
    negative_focus: Annotated[
        float, typer.Option(help="Asymmetric loss: exponent for absent tags, usually 4; 0: cross-entropy.")
    ] = 0.0,
    negative_margin: Annotated[
        float, typer.Option(help="Asymmetric loss: probability up to which absent tags do not count.")
    ] = 0.0,
    average: Annotated[
        float, typer.Option(help="Decay of averaged weights (EMA), e.g. 0.9997; 0: no averaging.")
    ] = 0.0,
    validation: Annotated[float, typer.Option(help="Fraction of the images for validation.")] = 0.1,
    minimum: Annotated[int, typer.Option(help="Minimum number of images of a tag.")] = 20,
    max_tags: Annotated[int, typer.Option(help="Maximum number of tags, the frequent ones; 0: all.")] = 0,
    aliases: Annotated[
        Path | None, typer.Option("--aliases", help="CSV or JSON lines: other name of a tag, its name.")
    ] = None,
    implications: Annotated[
        Path | None, typer.Option("--implications", help="CSV or JSON lines: a tag, a tag that it implies.")
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare/--no-compare", help="Keep near copies on one side of the split; opens every image."
        ),
    ] = True,
    criterion: Annotated[TrainingCriterion, typer.Option(help="Criterion for the best epoch.")] = "map",
    patience: Annotated[
        int, typer.Option(help="Stop after this many epochs without improvement; 0: never.")
    ] = 5,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    no_augment: Annotated[bool, typer.Option("--no-augment", help="Train without augmentation.")] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model (default: name of --out).")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the unfinished run in --out, with the same options.")
    ] = False,
    device: Annotated[DeviceName, typer.Option("--device", help="Device to train on.")] = "auto",
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Number of CPU threads.")] = None,
    precision: Annotated[
        Precision, typer.Option("--precision", help="Floating-point precision on a GPU.")
    ] = "auto",
    json: JsonOption = False,
) -> None:
    """Train a network on tagged pictures, for use with --encoder OUT and --tagger OUT.

    It can be stopped at any time with Ctrl-C; the same command with --resume continues exactly, also with
    another batch size.
    """
    from i2v_search.cli import show
    from i2v_search.training.augment import NO_AUGMENTATION, Augmentation
    from i2v_search.training.datasets.dataset import read_dataset
    from i2v_search.training.datasets.tag_relations import read_pairs, relate_tags
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
        warmup_updates=warmup_updates,
        clip=clip,
        positive_weight=positive_weight,
        negative_focus=negative_focus,
        negative_margin=negative_margin,
        average=average,
        validation=validation,
        minimum=minimum,
        max_tags=max_tags,
        compare=compare,
        criterion=criterion,
        patience=patience,
        seed=seed,
        augmentation=NO_AUGMENTATION if no_augment else Augmentation(),
    )
    try:
        with show.progress() as report:
            made = run(
                relate_tags(
                    [read_dataset(source, exclude=exclude or ()) for source in sets],
                    aliases=read_pairs(aliases) if aliases else (),
                    implications=read_pairs(implications) if implications else (),
                ),
                out,
                settings,
                start=read_start(start) if start else None,
                name=name,
                resume=resume,
                device=Device(device, threads, precision=precision),
                report=report,
            )
    except KeyboardInterrupt:
        show.err.print(f"stopped; the same command with --resume continues from {out}", markup=False)
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
        show.out.print("Stopped early: validation did not improve.")
    gives = "vectors and tags" if made.dimension else "tags"
    uses = f"--encoder {made.directory}" if made.dimension else f"--tagger {made.directory}"
    tags = ", ".join(f"{count} {category}" for category, count in made.vocabulary.items())
    show.out.print(
        f"{escape(made.directory)} gives {gives} ({tags}). Use it with {escape(uses)}, or install it with: "
        f"i2v-search models import {escape(made.directory)}"
    )
    show.skipped(made.skipped)
    if made.left_out:
        left_out = ", ".join(f"{count:,} {what}" for what, count in made.left_out.items())
        show.out.print(f"not used: {left_out}")
    for warning in made.warnings:
        show.err.print(f"warning: {warning}", markup=False)


_CHECKED = ("validation_loss", "validation_map")
