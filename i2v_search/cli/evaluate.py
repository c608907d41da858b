"""``i2v-search evaluate``: measures of an encoder, with intervals."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2v_search.choices import Device, DeviceName, SimilarityName, SplitName
from i2v_search.cli.options import ExcludeOption, JsonOption

if TYPE_CHECKING:
    from i2v_search.training.evaluation.evaluation import EvaluationPart


def evaluate(
    sets: Annotated[
        list[Path] | None, typer.Argument(help="Folders or archives with tags.jsonl.", metavar="SET")
    ] = None,
    exclude: ExcludeOption = None,
    encoder: Annotated[
        str, typer.Option("--encoder", help="Encoder name, or folder of a trained model.")
    ] = "lite",
    against: Annotated[
        str | None, typer.Option("--against", help="Second encoder for a paired comparison.")
    ] = None,
    retrieval: Annotated[bool, typer.Option("--retrieval", help="Measure retrieval by label.")] = False,
    shared: Annotated[
        bool, typer.Option("--shared", help="Measure retrieval by shared tags (nDCG@10).")
    ] = False,
    tags: Annotated[bool, typer.Option("--tags", help="Measure tags by category.")] = False,
    copies: Annotated[bool, typer.Option("--copies", help="Measure recall of edited copies.")] = False,
    recall: Annotated[bool, typer.Option("--recall", help="Measure recall@10 of every index.")] = False,
    held_out: Annotated[
        float | None,
        typer.Option(
            "--held-out", help="Evaluate only the pictures held out by training with this --validation share."
        ),
    ] = None,
    split: Annotated[
        SplitName | None,
        typer.Option("--split", help="Evaluate only the pictures whose annotations say this split."),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Random seed of the held-out split and the samples.")
    ] = 0,
    similarity: Annotated[
        SimilarityName, typer.Option("--similarity", help="How vectors are compared.")
    ] = "centred",
    device: Annotated[DeviceName, typer.Option("--device", help="Device of the encoders.")] = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Number of CPU threads of the encoders.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write all results as JSON.")] = None,
    per_tag: Annotated[
        Path | None, typer.Option("--per-tag", help="Write the average precision of every tag as CSV.")
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet", help="Write a contact sheet of random queries and their hits (PNG, JPEG, WebP)."
        ),
    ] = None,
    queries: Annotated[
        int, typer.Option("--queries", min=1, help="Number of queries on the contact sheet.")
    ] = 20,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", help="Measure nothing; compare two reports of --out.", metavar="OLD NEW"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Evaluate an encoder: retrieval by label and shared tags, tags, edited copies, recall of indexes.

    By default every part that applies to the data set and the encoder. Every number has a 95 % interval;
    --against adds the paired difference.
    """
    from i2v_search.cli import scores, show
    from i2v_search.files import write_atomically
    from i2v_search.training.datasets.dataset import read_dataset
    from i2v_search.training.evaluation.evaluation import PARTS
    from i2v_search.training.evaluation.evaluation import evaluate as measure
    from i2v_search.training.evaluation.report_changes import report_changes

    if (compare is None) == (not sets):
        raise typer.BadParameter("give data sets to measure, or --compare OLD NEW")
    if compare is not None:
        changes = report_changes(*compare)
        if json:
            show.as_json([change.to_dict() for change in changes])
        else:
            scores.changes(changes)
        return
    asked = {"retrieval": retrieval, "shared": shared, "tags": tags, "copies": copies, "recall": recall}
    parts: list[EvaluationPart] = [part for part in PARTS if asked[part]] or list(PARTS)
    with show.progress() as report:
        found = measure(
            [read_dataset(source, exclude=exclude or ()) for source in sets or ()],
            encoder,
            against=against,
            parts=parts,
            similarity=similarity,
            held_out=held_out,
            split=split,
            seed=seed,
            device=Device(device, threads),
            report=report,
        )
    document = found.to_dict()
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, f"{json_module.dumps(document, indent=2)}\n".encode())
    if per_tag is not None:
        _write_tags(document, per_tag)
    if sheet is not None:
        show.save(found.sheet(queries=queries), sheet, quiet=json)
    if json:
        show.as_json(document)
    else:
        scores.evaluation(found)


def _write_tags(document: dict[str, Any], path: Path) -> None:
    """A row for each tag of each set and encoder."""
    from i2v_search.build.upkeep.csv_tables import CsvTable, open_csv
    from i2v_search.files import replacing

    columns = ["category", "name", "average_precision", "positives", "known"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, open_csv(temporary) as file:
        table = CsvTable(file, ["set", "encoder", *columns])
        for one in document["sets"]:
            for measures in one["measures"]:
                for tag in (measures["tags"] or {"tags": ()})["tags"]:
                    table.row([one["name"], measures["encoder"], *(tag[column] for column in columns)])
