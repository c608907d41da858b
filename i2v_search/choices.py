"""The words users choose from, in Python, on the command line and in recipes."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from i2v_search.arguments import plain_numbers, renamed, shown
from i2v_search.errors import QueryError

#: Parts of a data set that says itself how it is divided.
SplitName: TypeAlias = Literal["training", "validation", "test"]
#: How two vectors are compared: `i2v_search.index.similarity`.
SimilarityName: TypeAlias = Literal["standardised", "centred", "cosine", "l2", "hamming"]
#: How neighbours are found: `i2v_search.index.planner`.
IndexKind: TypeAlias = Literal["auto", "exact", "pca", "codes", "ivf", "hnsw"]
#: What proposes neighbours: FAISS in this process, or a Milvus server.
Backend: TypeAlias = Literal["faiss", "milvus"]
#: How a morph is found: `i2v_search.morph`.
MorphMethod: TypeAlias = Literal["gradual", "geodesic", "minimax", "line"]
#: The file formats of an animation: `i2v_search.pictures.animation`.
AnimationFormat: TypeAlias = Literal["webp", "gif"]
#: In what way two files are the same picture, or variants of one: `i2v_search.search.duplicates.comparing`.
DuplicateKind: TypeAlias = Literal["exact", "pixels", "near", "variants"]
#: What an image of a query is: a picture, or a drawing of lines that pictures are to be found by.
ExampleKind: TypeAlias = Literal["picture", "sketch"]
#: How long a picture's sides are: `i2v_search.search.file_conditions`.
PictureShape: TypeAlias = Literal["wide", "tall", "square", "strip"]
#: In which order results come: `i2v_search.search.orders`.
SearchOrder: TypeAlias = Literal[
    "likeness",
    "varied",
    "collection",
    "name",
    "newest",
    "oldest",
    "largest",
    "smallest",
    "colour",
    "random",
    "board",
    "column",
]
#: How the pictures of a board are put in order: `i2v_search.collection.board_order`.
BoardOrder: TypeAlias = Literal["colour", "gradual"]
#: Files beside pictures that other programs read: `i2v_search.collection.kept_files`.
SidecarForm: TypeAlias = Literal["xmp", "txt"]
#: How a collection is laid out in two dimensions: `i2v_search.index.mapping`.
MapMethod: TypeAlias = Literal["auto", "tsne", "pca"]
#: Where an encoder runs.
DeviceName: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]
#: In which numbers a GPU computes.
Precision: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
#: How tags are chosen: one threshold for all, or each tag's own for the best F0.5, F1 or F2.
Rule: TypeAlias = Literal["constant", "f0.5", "f1", "f2"]
#: What writing a caption does if there is one: `i2v_search.images.captions`.
ExistingCaption: TypeAlias = Literal["keep", "append", "overwrite"]
#: What can be trained: `i2v_search.encoders.trained`.
TrainingModel: TypeAlias = Literal["illustration2vec", "illustration2vec-features", "lite"]
#: How its weights are updated: `i2v_search.training.settings`.
TrainingOptimizer: TypeAlias = Literal["adamw", "sgd"]
#: What early stopping and the choice of the best epoch look at.
TrainingCriterion: TypeAlias = Literal["map", "loss"]


@dataclass(frozen=True)
class Device:
    """Device and settings of an encoder; its name alone is accepted too.

    Attributes:
        name: ``"auto"`` takes a GPU where torch sees one, else the CPU.
        threads: CPU threads of the forward pass; None takes every core.
        batch_size: images a forward pass; None takes what runs best, measured on a GPU.
        precision: precision of a GPU; ``"auto"`` is bfloat16 where CUDA has it. A CPU computes in float32.
        compile: let torch compile the network; slow to start, faster after.

    Example:
        >>> Device("cpu", threads=2).precision
        'auto'
    """

    name: DeviceName = "auto"
    threads: int | None = None
    batch_size: int | None = None
    precision: Precision = "auto"
    compile: bool = False

    def __post_init__(self) -> None:
        if self.name not in get_args(DeviceName):
            known = ", ".join(get_args(DeviceName))
            raise QueryError(f"unknown device {shown(self.name)}; available: {known}")
        plain_numbers(self)

    @staticmethod
    def of(given: "Device | DeviceName") -> "Device":
        """The device that a name alone stands for; a device as it is."""
        return given if isinstance(given, Device) else Device(given)


# It was `Engine`, with the name as `device`, one release ago.
Device.__init__ = renamed(device="name")(Device.__init__)  # type: ignore[method-assign]
