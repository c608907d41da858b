"""Options shared by several commands, and their conversion to arguments of the library."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from i2v_search.arguments import read_whole, shown
from i2v_search.choices import Backend, DeviceName, IndexKind, PictureShape, Precision, SimilarityName

if TYPE_CHECKING:
    from i2v_search.collection.collection import Collection
    from i2v_search.index.planner import IndexOptions
    from i2v_search.search.filters import Filter

#: The collection that commands work on unless they are told another.
DEFAULT = Path("index/default")

CollectionOption = Annotated[
    Path, typer.Option("--collection", "-c", help="Collection directory.", show_default=True)
]
CollectionsOption = Annotated[
    list[Path],
    typer.Option(
        "--collection",
        "-c",
        help="Collection directory; repeatable: several of the same encoder are searched as one.",
        show_default=True,
    ),
]
ImagesArgument = Annotated[list[str], typer.Argument(help="Folders, files, glob patterns, archives.")]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude", help="Exclude matching files, as in a .gitignore: '*.gif', 'drafts/'; repeatable."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NullOption = Annotated[
    bool, typer.Option("--null", "-0", help="Like --paths-only, but each path ends with NUL, for xargs -0.")
]

EncoderOption = Annotated[
    str | None, typer.Option("--encoder", help="Encoder (default: the collection's encoder, or lite).")
]
TaggerOption = Annotated[
    str | None, typer.Option("--tagger", help="Imported tagger that provides the stored tags; see models.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Stop at the first unreadable image.")]
ForgetOption = Annotated[
    bool,
    typer.Option("--forget-removals", help="Add removed images again (default: only those given by name)."),
]
SketchesOption = Annotated[
    bool | None,
    typer.Option(
        "--sketches/--no-sketches",
        help="Keep a vector of each image's lines, for search --sketch: twice the time, 0.3 kB an image.",
    ),
]
DetailsOption = Annotated[
    bool | None,
    typer.Option(
        "--details/--no-details",
        help="Keep vectors of parts of each image, for search --crop: 5 to 8 times the time, 2 kB an image.",
    ),
]
DeviceOption = Annotated[DeviceName, typer.Option("--device", help="Device of the encoder.")]
ThreadsOption = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Number of CPU threads of the encoder (default: all cores)."),
]
BatchOption = Annotated[
    str, typer.Option("--batch-size", help="Batch size of the encoder: a number, or auto.")
]
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="Floating-point precision on a GPU.")]

SimilarityOption = Annotated[
    SimilarityName | None,
    typer.Option("--similarity", help="Similarity measure (default: the collection's, or the encoder's)."),
]
KindOption = Annotated[
    IndexKind | None,
    typer.Option("--kind", help="Index kind; auto chooses it from --recall, --memory and --latency."),
]
RecallOption = Annotated[
    float | None,
    typer.Option("--recall", min=0.01, max=1.0, help="Minimum recall@10 (default 0.99)."),
]
MemoryOption = Annotated[
    str | None,
    typer.Option("--memory", help="Memory limit, e.g. 2GB (default: half of RAM)."),
]
LatencyOption = Annotated[
    float | None,
    typer.Option("--latency", min=0.01, help="Target search time in ms, excluding encoding (default 5)."),
]

TagsOption = Annotated[str, typer.Option("--tags", help="Tags of every result, e.g. 'smile, -glasses'.")]
RatingOption = Annotated[str | None, typer.Option("--rating", help="Rating of every result, e.g. safe.")]
ExplicitOption = Annotated[
    float | None,
    typer.Option("--max-explicit", min=0, max=1, help="Maximum probability of rating 'explicit'."),
]
PathsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--path",
        help="Folder, file or glob of every result: 'birds', '*/old/*.png'; with - of none; repeatable.",
    ),
]

#: The conditions on files that every command with filters takes: name, type and option of each.
_CONDITIONS: dict[str, Any] = {
    "names": Annotated[
        list[str] | None,
        typer.Option(
            "--name", help="Part of the file name of every result; '-' before it excludes; repeatable."
        ),
    ],
    "shape": Annotated[
        PictureShape | None,
        typer.Option("--shape", help="Shape of every result; a strip is longer than 4:1."),
    ],
    "min_side": Annotated[
        int | None, typer.Option("--min-side", min=0, help="Minimum pixels of the longer side.")
    ],
    "max_side": Annotated[
        int | None, typer.Option("--max-side", min=0, help="Maximum pixels of the longer side.")
    ],
    "board": Annotated[str | None, typer.Option("--board", help="Name of a board that every result is on.")],
    "starred": Annotated[
        bool | None, typer.Option("--starred/--not-starred", help="Only favourites, or none.")
    ],
    "animated": Annotated[bool | None, typer.Option("--animated/--still", help="Only animations, or none.")],
    "colour": Annotated[
        str | None, typer.Option("--colour", help="Colour of at least 8 % of every result: '#3366cc'.")
    ],
    "condition": Annotated[
        str | None,
        typer.Option(
            "--where",
            help="Condition on columns: 'score > 50 and rating = general and date >= 2023'.",
        ),
    ],
    "after": Annotated[str | None, typer.Option("--after", help="First day of modification, YYYY-MM-DD.")],
    "before": Annotated[str | None, typer.Option("--before", help="Last day of modification, YYYY-MM-DD.")],
}

BackendOption = Annotated[
    Backend,
    typer.Option("--backend", help="Search backend: local index or Milvus server (see push)."),
]
MilvusOption = Annotated[
    str | None,
    typer.Option(
        "--milvus-uri",
        envvar="I2V_SEARCH_MILVUS_URI",
        help="Milvus server (http://HOST:19530) or file (art.db), optionally with #NAME.",
    ),
]


def refuse_beside(context: typer.Context, option: str, *, allowed: frozenset[str]) -> None:
    """Refuse options that have no effect together with another one.

    Args:
        context: context of the command.
        option: the other option, as spelt.
        allowed: parameters of the command that work with it.
    """
    beside = [
        max(parameter.opts, key=len)
        for parameter in context.command.params
        if parameter.name not in allowed
        and getattr(context.get_parameter_source(parameter.name or ""), "name", "") == "COMMANDLINE"
    ]
    if beside:
        raise typer.BadParameter(f"{option} cannot be combined with {' and '.join(beside)}")


def paths_only_of(paths_only: bool, null: bool, json: bool) -> bool:
    """Whether only paths are requested; ``--null`` says so too."""
    if json and (paths_only or null):
        raise typer.BadParameter("use either --json or --paths-only")
    return paths_only or null


def open_collection(directory: Path, backend: Backend = "faiss", milvus_uri: str | None = None) -> Collection:
    """Open the collection of an option."""
    from i2v_search.collection.collection import Collection

    return Collection.open(directory, backend=backend, milvus_uri=milvus_uri)


def takes_conditions(panel: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command that has ``**conditions`` the options of the conditions on files.

    Args:
        panel: where its help shows them.
    """

    def declare(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        parameters = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        for name, annotation in _CONDITIONS.items():
            kind, option = get_args(annotation)
            option = copy(option)
            option.rich_help_panel = panel
            declared = command.__annotations__[name] = Annotated[kind, option]
            parameters.append(
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=declared)
            )
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return command

    return declare


def filter_of(
    tags: str,
    path: list[str] | None,
    rating: str | None,
    max_explicit: float | None,
    threshold: float = 0.25,
    **conditions: Any,
) -> Filter:
    """The filter given by the filter options."""
    from i2v_search.search.filters import Filter

    given = {name: value for name, value in conditions.items() if value is not None}
    return Filter(tags, path or (), rating, max_explicit, threshold, **given)


def batch_size_of(text: str) -> int | None:
    """The number in ``--batch-size``, None for auto."""
    if text == "auto":
        return None
    if not (size := read_whole(text)):
        raise typer.BadParameter(
            f"--batch-size must be a whole number of at least 1, or auto, not {shown(text)}"
        )
    return size


def index_options_of(opened: Collection, memory: str | None, **given: Any) -> IndexOptions:
    """The index options of a collection, updated by the given options."""
    from dataclasses import replace

    changes = {name: value for name, value in given.items() if value is not None}
    if memory is not None:
        changes["memory_bytes"] = bytes_of(memory)
    return replace(opened.index_options, **changes)


def bytes_of(text: str, option: str = "--memory") -> int:
    """The number of bytes in an option."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise typer.BadParameter(f"{option} must be a size such as 500MB or 2GB, not {text!r}") from None
