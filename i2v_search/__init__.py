"""i2v-search: similarity search and semantic morphs over illustration embeddings."""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any
from warnings import warn

if TYPE_CHECKING:
    from i2v_search.build.extract import Extraction
    from i2v_search.build.options import BuildOptions, BuildReport
    from i2v_search.build.recipe import Recipe
    from i2v_search.build.upkeep import maintenance
    from i2v_search.build.upkeep.exporting import Export
    from i2v_search.build.upkeep.merging import Merge, MergedSource
    from i2v_search.build.upkeep.relocating import Relocation
    from i2v_search.build.upkeep.repairing import LostImage, Repair
    from i2v_search.build.upkeep.rewriting import Compaction
    from i2v_search.choices import Device
    from i2v_search.collection.across import ResultAcross, search_across
    from i2v_search.collection.collection import Collection
    from i2v_search.collection.image_folder import ImageFolder, write_image_folder
    from i2v_search.collection.info import CollectionInfo, ImageInfo
    from i2v_search.encoders import i2v
    from i2v_search.encoders.base import Encoder, EncoderInfo, Encoding, Tagger, TextEncoder
    from i2v_search.encoders.registry import load_encoder, load_tagger, register_encoder
    from i2v_search.encoders.tagging import TaggedImage, tag_images
    from i2v_search.errors import I2VSearchError
    from i2v_search.images.decoding import load_image
    from i2v_search.images.sample import SampleImage, sample_directory, sample_images
    from i2v_search.images.sources import Skipped
    from i2v_search.index.mapping import CollectionMap
    from i2v_search.index.milvus.push import Push, push_to_milvus
    from i2v_search.index.planner import IndexOptions, IndexPlan
    from i2v_search.morph.gaps import Gap, GapSide
    from i2v_search.morph.ordering import GradualOrder
    from i2v_search.morph.plane import MorphMap
    from i2v_search.morph.quality import MorphQuality
    from i2v_search.morph.sequence import SequenceQuality
    from i2v_search.morph.stops import Morph, Stop
    from i2v_search.morph.verdict import Opinion, Verdict
    from i2v_search.pictures.animation import MorphAnimation, morph_animation
    from i2v_search.pictures.colours import colour_order
    from i2v_search.pictures.committee import judge_morph
    from i2v_search.pictures.contact_sheets import duplicates_picture, search_picture, searches_picture
    from i2v_search.pictures.gap_sheets import gaps_picture
    from i2v_search.pictures.laid_boards import board_picture
    from i2v_search.pictures.map_drawing import map_picture
    from i2v_search.pictures.map_page import map_page
    from i2v_search.pictures.map_table import write_map_table
    from i2v_search.pictures.morph_strips import morph_map_picture, morph_picture
    from i2v_search.pictures.ordered_sheets import order_picture
    from i2v_search.progress import Progress
    from i2v_search.search.duplicates.groups import Duplicate, DuplicateGroup, Duplicates
    from i2v_search.search.duplicates.known import KnownCopies
    from i2v_search.search.examples import Example
    from i2v_search.search.filters import Filter
    from i2v_search.search.resolved import EncodedImage
    from i2v_search.search.results import Hit, HitAcross, SearchResult
    from i2v_search.search.text import Text
    from i2v_search.store.annotations.annotations import Annotations
    from i2v_search.store.annotations.boards import Board
    from i2v_search.store.annotations.layouts import Place
    from i2v_search.store.annotations.pictures import PictureNotes
    from i2v_search.store.checksums import Damage
    from i2v_search.tags.vocabulary import ImageTags, Tag
    from i2v_search.training.datasets.dataset import Dataset, read_dataset
    from i2v_search.training.evaluation.evaluation import Evaluation, evaluate
    from i2v_search.training.report import RunReport
    from i2v_search.training.run import train
    from i2v_search.training.settings import TrainingSettings

# Where each public name lives. They are imported when first used: the package itself costs nothing to import.
_HOMES = {
    "Annotations": "store.annotations.annotations",
    "Board": "store.annotations.boards",
    "BuildOptions": "build.options",
    "BuildReport": "build.options",
    "Collection": "collection.collection",
    "CollectionInfo": "collection.info",
    "CollectionMap": "index.mapping",
    "Compaction": "build.upkeep.rewriting",
    "Damage": "store.checksums",
    "Dataset": "training.datasets.dataset",
    "Device": "choices",
    "Duplicate": "search.duplicates.groups",
    "DuplicateGroup": "search.duplicates.groups",
    "Duplicates": "search.duplicates.groups",
    "EncodedImage": "search.resolved",
    "Text": "search.text",
    "Encoder": "encoders.base",
    "EncoderInfo": "encoders.base",
    "Encoding": "encoders.base",
    "Evaluation": "training.evaluation.evaluation",
    "Example": "search.examples",
    "Export": "build.upkeep.exporting",
    "Extraction": "build.extract",
    "Filter": "search.filters",
    "Gap": "morph.gaps",
    "GapSide": "morph.gaps",
    "GradualOrder": "morph.ordering",
    "Hit": "search.results",
    "HitAcross": "search.results",
    "I2VSearchError": "errors",
    "ImageFolder": "collection.image_folder",
    "ImageInfo": "collection.info",
    "ImageTags": "tags.vocabulary",
    "IndexPlan": "index.planner",
    "IndexOptions": "index.planner",
    "KnownCopies": "search.duplicates.known",
    "LostImage": "build.upkeep.repairing",
    "Merge": "build.upkeep.merging",
    "MergedSource": "build.upkeep.merging",
    "Morph": "morph.stops",
    "MorphAnimation": "pictures.animation",
    "MorphMap": "morph.plane",
    "MorphQuality": "morph.quality",
    "Opinion": "morph.verdict",
    "PictureNotes": "store.annotations.pictures",
    "Place": "store.annotations.layouts",
    "Progress": "progress",
    "Push": "index.milvus.push",
    "Recipe": "build.recipe",
    "Relocation": "build.upkeep.relocating",
    "Repair": "build.upkeep.repairing",
    "ResultAcross": "collection.across",
    "RunReport": "training.report",
    "SampleImage": "images.sample",
    "SequenceQuality": "morph.sequence",
    "SearchResult": "search.results",
    "Skipped": "images.sources",
    "Stop": "morph.stops",
    "Tag": "tags.vocabulary",
    "TaggedImage": "encoders.tagging",
    "Tagger": "encoders.base",
    "TextEncoder": "encoders.base",
    "TrainingSettings": "training.settings",
    "Verdict": "morph.verdict",
    "board_picture": "pictures.laid_boards",
    "colour_order": "pictures.colours",
    "duplicates_picture": "pictures.contact_sheets",
    "evaluate": "training.evaluation.evaluation",
    "gaps_picture": "pictures.gap_sheets",
    "judge_morph": "pictures.committee",
    "load_encoder": "encoders.registry",
    "load_image": "images.decoding",
    "load_tagger": "encoders.registry",
    "map_page": "pictures.map_page",
    "map_picture": "pictures.map_drawing",
    "morph_animation": "pictures.animation",
    "morph_map_picture": "pictures.morph_strips",
    "morph_picture": "pictures.morph_strips",
    "order_picture": "pictures.ordered_sheets",
    "push_to_milvus": "index.milvus.push",
    "read_dataset": "training.datasets.dataset",
    "register_encoder": "encoders.registry",
    "sample_directory": "images.sample",
    "sample_images": "images.sample",
    "search_across": "collection.across",
    "search_picture": "pictures.contact_sheets",
    "searches_picture": "pictures.contact_sheets",
    "tag_images": "encoders.tagging",
    "train": "training.run",
    "write_image_folder": "collection.image_folder",
    "write_map_table": "pictures.map_table",
}

# Public modules that live in a room.
_MODULES = {"i2v": "encoders.i2v", "maintenance": "build.upkeep.maintenance"}

# What public names were called one release ago.
_RENAMED = {"Engine": "Device", "IndexWishes": "IndexOptions"}

__all__ = [
    "Annotations",
    "Board",
    "BuildOptions",
    "BuildReport",
    "Collection",
    "CollectionInfo",
    "CollectionMap",
    "Compaction",
    "Damage",
    "Dataset",
    "Device",
    "Duplicate",
    "DuplicateGroup",
    "Duplicates",
    "EncodedImage",
    "Encoder",
    "EncoderInfo",
    "Encoding",
    "Evaluation",
    "Example",
    "Export",
    "Extraction",
    "Filter",
    "Gap",
    "GapSide",
    "GradualOrder",
    "Hit",
    "HitAcross",
    "I2VSearchError",
    "ImageFolder",
    "ImageInfo",
    "ImageTags",
    "IndexOptions",
    "IndexPlan",
    "KnownCopies",
    "LostImage",
    "Merge",
    "MergedSource",
    "Morph",
    "MorphAnimation",
    "MorphMap",
    "MorphQuality",
    "Opinion",
    "PictureNotes",
    "Place",
    "Progress",
    "Push",
    "Recipe",
    "Relocation",
    "Repair",
    "ResultAcross",
    "RunReport",
    "SampleImage",
    "SearchResult",
    "SequenceQuality",
    "Skipped",
    "Stop",
    "Tag",
    "TaggedImage",
    "Tagger",
    "Text",
    "TextEncoder",
    "TrainingSettings",
    "Verdict",
    "board_picture",
    "colour_order",
    "duplicates_picture",
    "evaluate",
    "gaps_picture",
    "i2v",
    "judge_morph",
    "load_encoder",
    "load_image",
    "load_tagger",
    "maintenance",
    "map_page",
    "map_picture",
    "morph_animation",
    "morph_map_picture",
    "morph_picture",
    "order_picture",
    "push_to_milvus",
    "read_dataset",
    "register_encoder",
    "sample_directory",
    "sample_images",
    "search_across",
    "search_picture",
    "searches_picture",
    "tag_images",
    "train",
    "write_image_folder",
    "write_map_table",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{_MODULES[name]}")
    if name in _RENAMED:
        warn(f"{__name__}.{name} is now {_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        return __getattr__(_RENAMED[name])
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


class _OriginalsName:
    """Finds and loads ``i2v_search.i2v``, so that ``from i2v_search.i2v import ...`` means `encoders.i2v`."""

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == f"{__name__}.i2v" else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system: `exec_module` puts another in its place."""

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = import_module(f"{__name__}.{_MODULES['i2v']}")


sys.meta_path.append(_OriginalsName())
