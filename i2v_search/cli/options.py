"""Options that several commands share, and what turns them into what the library takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2v_search.arguments import read_whole, shown
from i2v_search.choices import Backend, DeviceName, IndexKind, Precision, SimilarityName

if TYPE_CHECKING:
    from i2v_search.collection.collection import Collection
    from i2v_search.index.planner import IndexWishes

#: The collection that commands work on unless they are told another.
DEFAULT = Path("index/default")

CollectionOption = Annotated[
    Path, typer.Option("--collection", "-c", help="Directory of the collection.", show_default=True)
]
ImagesArgument = Annotated[list[str], typer.Argument(help="Folders, files, glob patterns, archives.")]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude", help="Leave out what matches, as in a .gitignore: '*.gif', 'drafts/'; repeatable."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

EncoderOption = Annotated[
    str | None, typer.Option("--encoder", help="Encoder; default: the collection's own, or lite.")
]
TaggerOption = Annotated[
    str | None, typer.Option("--tagger", help="Imported tagger whose tags are stored; see models.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Stop at the first image that cannot be read.")]
ForgetOption = Annotated[
    bool,
    typer.Option("--forget-removals", help="Take in again what was removed; else only what is named."),
]
DeviceOption = Annotated[DeviceName, typer.Option("--device", help="Where the encoder runs.")]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="CPU threads of the encoder; default: all cores.")
]
BatchOption = Annotated[
    str, typer.Option("--batch-size", help="Images a forward pass, or auto: what runs best.")
]
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="Numbers a GPU computes in.")]

SimilarityOption = Annotated[
    SimilarityName | None,
    typer.Option("--similarity", help="How vectors are compared; default: the collection's own, or centred."),
]
KindOption = Annotated[
    IndexKind | None, typer.Option("--kind", help="Kind of index; auto chooses by the wishes.")
]
RecallOption = Annotated[
    float | None,
    typer.Option("--recall", min=0.01, max=1.0, help="Recall@10 the index must reach; 0.99 if never said."),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory", help="Most memory to build and search with, such as 2GB; half of all if never said."
    ),
]
LatencyOption = Annotated[
    float | None,
    typer.Option(
        "--latency", min=0.01, help="Milliseconds a search may take, without encoding; 5 if never said."
    ),
]

TagsOption = Annotated[
    str, typer.Option("--tags", help="Tags every result has, for example: 'smile, -glasses'.")
]
RatingOption = Annotated[
    str | None, typer.Option("--rating", help="Most probable rating of every result, for example safe.")
]
ExplicitOption = Annotated[
    float | None, typer.Option("--max-explicit", min=0, max=1, help="Most that 'explicit' may have.")
]
PathsOption = Annotated[
    list[str] | None, typer.Option("--path", help="Folder, file or glob: 'birds', '*/old/*.png'; repeatable.")
]

BackendOption = Annotated[
    Backend,
    typer.Option("--backend", help="Search backend: local index or Milvus server (see push)."),
]
MilvusOption = Annotated[
    str | None,
    typer.Option(
        "--milvus-uri",
        envvar="I2V_SEARCH_MILVUS_URI",
        help="Milvus server, http://HOST:19530, or a file such as art.db; perhaps with #NAME.",
    ),
]


def refuse_beside(context: typer.Context, option: str, *, allowed: frozenset[str]) -> None:
    """Refuse options that another one would make ignored.

    Args:
        context: of the command.
        option: the other one, as it is spelt.
        allowed: parameters of the command that go with it.
    """
    beside = [
        max(parameter.opts, key=len)
        for parameter in context.command.params
        if parameter.name not in allowed
        and getattr(context.get_parameter_source(parameter.name or ""), "name", "") == "COMMANDLINE"
    ]
    if beside:
        raise typer.BadParameter(f"{option} says that itself: leave out {' and '.join(beside)}")


def paths_only_of(paths_only: bool, null: bool, json: bool) -> bool:
    """Whether only paths are asked for; ``--null`` says so too."""
    if json and (paths_only or null):
        raise typer.BadParameter("choose one of --json and --paths-only")
    return paths_only or null


def open_collection(directory: Path, backend: Backend = "faiss", milvus_uri: str | None = None) -> Collection:
    """Open the collection that an option names."""
    from i2v_search.collection.collection import Collection

    return Collection.open(directory, backend=backend, milvus_uri=milvus_uri)


def batch_size_of(text: str) -> int | None:
    """The number in ``--batch-size``, None for auto."""
    if text == "auto":
        return None
    if not (size := read_whole(text)):
        raise typer.BadParameter(f"--batch-size is a number from 1 on, or auto, not {shown(text)}")
    return size


def wishes_of(opened: Collection, memory: str | None, **given: Any) -> IndexWishes:
    """What was asked of a collection's index before, with what the options now say."""
    from dataclasses import replace

    changes = {name: value for name, value in given.items() if value is not None}
    if memory is not None:
        changes["memory_bytes"] = bytes_of(memory)
    return replace(opened.wishes, **changes)


def bytes_of(text: str, option: str = "--memory") -> int:
    """The bytes that an option means."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise typer.BadParameter(f"{option} is a size such as 500MB or 2GB, not {text!r}") from None
