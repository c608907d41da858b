"""``i2v-search import``: a collection from vectors that are there already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from i2v_search.cli.options import DEFAULT, CollectionOption, EncoderOption, JsonOption, SimilarityOption


def import_vectors(
    vectors: Annotated[Path, typer.Argument(help="File of vectors (.npy, .h5 or .parquet).")],
    collection: CollectionOption = DEFAULT,
    rows: Annotated[
        Path | None,
        typer.Option("--rows", help="CSV file with columns id, path and tags, or a tags.jsonl; row by row."),
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", help="HDF5 data set or Parquet column with the vectors.")
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option("--root", help="Folder of the pictures that the paths are relative to."),
    ] = None,
    space: Annotated[
        str | None, typer.Option("--space", help="Name of what made the vectors (default: vectors).")
    ] = None,
    encoder: EncoderOption = None,
    similarity: SimilarityOption = None,
    json: JsonOption = False,
) -> None:
    """Make a collection from vectors, or add them to one; pictures are not needed.

    Of a .npy file that export wrote, ids and paths are read from NAME.ids.csv beside it. A row whose id or
    path is in the collection replaces it. --root, --space, --encoder and --similarity are for a new one.
    """
    from i2v_search.build.vector_files import read_row_table
    from i2v_search.cli import show
    from i2v_search.collection.collection import Collection
    from i2v_search.store.manifest import Manifest

    columns: dict[str, Any] = {} if rows is None else dict(read_row_table(rows))
    exists = Manifest.find(collection) is not None
    if exists and any(one is not None for one in (root, space, encoder, similarity)):
        raise typer.BadParameter(
            "--root, --space, --encoder and --similarity are for a new collection, and there is one at "
            f"{collection}"
        )
    with show.progress() as report:
        if exists:
            opened = Collection.open(collection)
            done = opened.add_vectors(vectors, column=column, report=report, **columns)
        else:
            opened = Collection.from_vectors(
                collection,
                vectors,
                column=column,
                root=root,
                space=space or "vectors",
                encoder=encoder,
                similarity=similarity,
                report=report,
                **columns,
            )
            done = None
    facts = opened.info()
    if json:
        show.as_json({"added": len(opened) if done is None else done.added, "info": facts.to_dict()})
        return
    told = f"{len(opened):,} added" if done is None else f"{done.added:,} added, {done.replaced:,} replaced"
    kind = f"{facts.images:,} rows of {facts.dimension:,} dimensions, {facts.similarity}"
    show.out.print(f"{told}; {collection}: {kind}", markup=False)
