"""``i2v-search push`` and ``sync``: a collection on a Milvus server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from i2v_search.cli.options import DEFAULT, CollectionOption, JsonOption, MilvusOption

WaitOption = Annotated[
    float, typer.Option("--wait", min=0, help="Seconds to wait if the server becomes unavailable.")
]


def push(
    collection: CollectionOption = DEFAULT,
    milvus_uri: MilvusOption = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Delete the Milvus collection of that name and send everything again."
        ),
    ] = False,
    wait: WaitOption = 60.0,
    json: JsonOption = False,
) -> None:
    """Send a collection to a Milvus server; only rows that differ are sent.

    Can be stopped and run again at any time. To search: i2v-search search --backend milvus.
    """
    _push(collection, milvus_uri, wait, json=json, replace=replace)


def sync(
    collection: CollectionOption = DEFAULT,
    milvus_uri: MilvusOption = None,
    wait: WaitOption = 60.0,
    json: JsonOption = False,
) -> None:
    """Push a collection if it has changed since the last push; suitable for a cron job."""
    _push(collection, milvus_uri, wait, json=json, compare=False)


def _push(
    collection: Path,
    milvus_uri: str | None,
    wait: float,
    *,
    json: bool,
    compare: bool = True,
    replace: bool = False,
) -> None:
    from i2v_search.cli import show
    from i2v_search.index.milvus.push import push_to_milvus

    with show.progress() as report:
        done = push_to_milvus(
            collection, milvus_uri, compare=compare, replace=replace, patience=wait, report=report
        )
    if json:
        show.as_json(done.to_dict())
        return
    show.out.print(
        f"{done.address}: {done.images:,} images, {done.sent:,} sent, {done.deleted:,} deleted "
        f"({done.seconds:.1f} s)",
        markup=False,
    )
    found = f"{done.index}; recall@10 {done.recall_at_10:.1%}"
    away = f"; the server was unavailable {done.interruptions} times" if done.interruptions else ""
    show.out.print(f"index {found}{away}", markup=False)
