"""``i2v-search merge``, ``export`` and ``notes``: merging collections, and files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2v_search.choices import SidecarForm
from i2v_search.cli.options import DEFAULT, CollectionOption, JsonOption, open_collection

if TYPE_CHECKING:
    from i2v_search.build.upkeep.merging import Merge


def merge(
    others: Annotated[list[Path], typer.Argument(help="Directories of the collections to merge.")],
    collection: CollectionOption = DEFAULT,
    ids: Annotated[
        Path | None, typer.Option("--ids", help="Write a CSV file with collection, old id, new id.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Merge collections into one, then index; the others are only read.

    All collections must use the same encoder and tagger. Of two rows for one file, the newer is kept. The
    command can be interrupted and run again.
    """
    from i2v_search.build.upkeep import maintenance
    from i2v_search.cli import show
    from i2v_search.collection.collection import Collection

    with show.progress() as report:
        done = maintenance.merge(collection, others, report=report)
    opened = Collection.open(collection)
    if ids is not None:
        _write_ids(done, ids)
    if json:
        show.as_json({"merge": done.to_dict(), "info": opened.info().to_dict()})
        return
    for source in done.sources:
        numbers = {
            "added": source.added,
            "updated": source.updated,
            "refreshed": source.refreshed,
            "unchanged": source.unchanged,
            "left out (removed from this collection)": source.left_out,
        }
        told = ", ".join(f"{count:,} {word}" for word, count in numbers.items() if count) or "no images"
        show.out.print(f"{source.directory}: {told}", markup=False)
    show.out.print(f"{collection}: {len(opened):,} images ({done.seconds:.1f} s)", markup=False)


def export(
    file: Annotated[Path, typer.Argument(help="Output file (.npy, .h5, .csv or .parquet).")],
    collection: CollectionOption = DEFAULT,
    pca: Annotated[
        int | None, typer.Option("--pca", min=1, help="Reduce the vectors to this many principal components.")
    ] = None,
    unit: Annotated[
        bool, typer.Option("--unit", help="In .npy: normalise the vectors to unit length.")
    ] = False,
    virtual: Annotated[
        bool,
        typer.Option("--virtual", help="In .h5: refer to the collection's vectors instead of copying them."),
    ] = False,
    names: Annotated[
        bool,
        typer.Option("--ids/--no-ids", help="With .npy: write id and path of every row to NAME.ids.csv."),
    ] = True,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="In .csv: do not escape text for spreadsheets."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Export vectors, paths and tags to a file; an existing file is replaced."""
    from i2v_search.build.upkeep import maintenance
    from i2v_search.cli import show

    file.parent.mkdir(parents=True, exist_ok=True)
    with show.progress() as report:
        done = maintenance.export(
            collection, file, pca=pca, unit=unit, virtual=virtual, name_rows=names, raw=raw, report=report
        )
    if json:
        show.as_json(done.to_dict())
        return
    for name in done.files:
        show.out.print(f"wrote {name}", markup=False)
    kept = (
        ""
        if done.explained_variance is None
        else f", {pca} components keep {done.explained_variance:.1%} of the variance"
    )
    of = f" of {done.dimension:,} dimensions" if done.dimension else ""
    show.out.print(f"{done.images:,} images{of}{kept}, {done.bytes / 1e6:,.1f} MB, {done.seconds:.1f} s")
    if done.neighbours_kept is not None:
        show.out.print(
            f"their cosine approximates similarity centred: {done.neighbours_kept:.0%} of the ten nearest "
            "are the same; a query is (unit(vector) - mean) @ components.T"
        )


def notes(
    out: Annotated[
        Path | None,
        typer.Argument(
            help="Folder for the sidecar files, or a .json file for everything.", show_default=False
        ),
    ] = None,
    collection: CollectionOption = DEFAULT,
    form: Annotated[
        SidecarForm,
        typer.Option(
            "--form",
            help="Sidecar files: xmp (tags, note, a star as five stars; for digiKam, darktable) or "
            "txt (a tag a line; for hydrus).",
        ),
    ] = "xmp",
    beside: Annotated[
        bool, typer.Option("--beside", help="Write the sidecar files beside the images, without OUT.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace sidecar files that exist.")] = False,
    json: JsonOption = False,
) -> None:
    """Write stars, notes and own tags to files for other programs.

    A .json file also gets the boards, with their layouts, and the saved searches.
    """
    from i2v_search.cli import show
    from i2v_search.collection.board_files import record_bytes
    from i2v_search.collection.kept_files import Sidecars, kept_record, write_sidecars
    from i2v_search.files import write_atomically

    if (out is None) != beside:
        raise typer.BadParameter("give a folder or a .json file, or --beside")
    opened = open_collection(collection)
    if out is not None and out.suffix.lower() == ".json":
        write_atomically(out, record_bytes(kept_record(opened)))
        done = Sidecars(1, ())
    else:
        done = write_sidecars(opened, out, form, overwrite=overwrite)
    if json:
        show.as_json({"written": done.written, "skipped": [one.path for one in done.skipped]})
    else:
        show.out.print(f"wrote {out or 'files beside the images'}: {done.written:,} files", markup=False)
        show.skipped(done.skipped, show.err)


def _write_ids(merged: Merge, path: Path) -> None:
    from i2v_search.build.upkeep.csv_tables import CsvTable, open_csv
    from i2v_search.files import replacing

    with replacing(path) as temporary, open_csv(temporary) as file:
        table = CsvTable(file, ["collection", "old_id", "new_id"])
        for source in merged.sources:
            pairs = zip(source.old_ids.tolist(), source.new_ids.tolist(), strict=True)
            for old, new in pairs:
                if new >= 0:  # not one that was left out
                    table.row([source.directory, old, new])
