"""i2v-search: similarity search and semantic morphs over illustration embeddings."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from i2v_search import i2v
    from i2v_search.animation import MorphAnimation, morph_animation
    from i2v_search.choices import Engine
    from i2v_search.cluster.milvus_push import Push, push_to_milvus
    from i2v_search.collection import Collection
    from i2v_search.colours import colour_order
    from i2v_search.duplicates.groups import Duplicate, DuplicateGroup, Duplicates
    from i2v_search.encoders import (
        Encoder,
        EncoderInfo,
        Encoding,
        Tagger,
        load_encoder,
        load_tagger,
        register_encoder,
    )
    from i2v_search.errors import I2VSearchError
    from i2v_search.evaluating import Evaluation, evaluate
    from i2v_search.extract import Extraction
    from i2v_search.images import load_image
    from i2v_search.map_pictures import map_picture
    from i2v_search.mapping import CollectionMap
    from i2v_search.morph import MorphQuality
    from i2v_search.morph_map import MorphMap
    from i2v_search.morph_pictures import morph_map_picture, morph_picture
    from i2v_search.pages import map_page
    from i2v_search.pictures import duplicates_picture, search_picture, searches_picture
    from i2v_search.planner import IndexPlan, IndexWishes
    from i2v_search.progress import Progress
    from i2v_search.recipe import Recipe
    from i2v_search.results import CollectionInfo, Hit, Morph, SearchResult, Stop
    from i2v_search.sample import SampleImage, sample_directory, sample_images
    from i2v_search.searching.query import Example
    from i2v_search.sources import Skipped
    from i2v_search.store import Damage
    from i2v_search.tagging import TaggedImage, tag_images
    from i2v_search.tags import ImageTags, Tag
    from i2v_search.training.dataset import Dataset, read_dataset
    from i2v_search.training.report import RunReport
    from i2v_search.training.run import train
    from i2v_search.training.settings import TrainingSettings
    from i2v_search.upkeep.exporting import Export
    from i2v_search.upkeep.merging import Merge, MergedSource
    from i2v_search.upkeep.relocating import Relocation
    from i2v_search.upkeep.repairing import LostImage, Repair
    from i2v_search.upkeep.rewriting import Compaction

# Where each public name lives. They are imported when first used: the package itself costs nothing to import.
_HOMES = {
    "Collection": "collection",
    "CollectionInfo": "results",
    "CollectionMap": "mapping",
    "Compaction": "upkeep.rewriting",
    "Damage": "store",
    "Dataset": "training.dataset",
    "Duplicate": "duplicates.groups",
    "DuplicateGroup": "duplicates.groups",
    "Duplicates": "duplicates.groups",
    "Encoder": "encoders",
    "EncoderInfo": "encoders",
    "Encoding": "encoders",
    "Engine": "choices",
    "Evaluation": "evaluating",
    "Example": "searching.query",
    "Export": "upkeep.exporting",
    "Extraction": "extract",
    "Hit": "results",
    "I2VSearchError": "errors",
    "ImageTags": "tags",
    "IndexPlan": "planner",
    "IndexWishes": "planner",
    "LostImage": "upkeep.repairing",
    "Merge": "upkeep.merging",
    "MergedSource": "upkeep.merging",
    "Morph": "results",
    "MorphAnimation": "animation",
    "MorphMap": "morph_map",
    "MorphQuality": "morph",
    "Progress": "progress",
    "Push": "cluster.milvus_push",
    "Recipe": "recipe",
    "Relocation": "upkeep.relocating",
    "Repair": "upkeep.repairing",
    "RunReport": "training.report",
    "SampleImage": "sample",
    "SearchResult": "results",
    "Skipped": "sources",
    "Stop": "results",
    "Tag": "tags",
    "TaggedImage": "tagging",
    "Tagger": "encoders",
    "TrainingSettings": "training.settings",
    "colour_order": "colours",
    "duplicates_picture": "pictures",
    "evaluate": "evaluating",
    "load_encoder": "encoders",
    "load_image": "images",
    "load_tagger": "encoders",
    "map_page": "pages",
    "map_picture": "map_pictures",
    "morph_animation": "animation",
    "morph_map_picture": "morph_pictures",
    "morph_picture": "morph_pictures",
    "push_to_milvus": "cluster.milvus_push",
    "read_dataset": "training.dataset",
    "register_encoder": "encoders",
    "sample_directory": "sample",
    "sample_images": "sample",
    "search_picture": "pictures",
    "searches_picture": "pictures",
    "tag_images": "tagging",
    "train": "training.run",
}

__all__ = [
    "Collection",
    "CollectionInfo",
    "CollectionMap",
    "Compaction",
    "Damage",
    "Dataset",
    "Duplicate",
    "DuplicateGroup",
    "Duplicates",
    "Encoder",
    "EncoderInfo",
    "Encoding",
    "Engine",
    "Evaluation",
    "Example",
    "Export",
    "Extraction",
    "Hit",
    "I2VSearchError",
    "ImageTags",
    "IndexPlan",
    "IndexWishes",
    "LostImage",
    "Merge",
    "MergedSource",
    "Morph",
    "MorphAnimation",
    "MorphMap",
    "MorphQuality",
    "Progress",
    "Push",
    "Recipe",
    "Relocation",
    "Repair",
    "RunReport",
    "SampleImage",
    "SearchResult",
    "Skipped",
    "Stop",
    "Tag",
    "TaggedImage",
    "Tagger",
    "TrainingSettings",
    "colour_order",
    "duplicates_picture",
    "evaluate",
    "i2v",
    "load_encoder",
    "load_image",
    "load_tagger",
    "map_page",
    "map_picture",
    "morph_animation",
    "morph_map_picture",
    "morph_picture",
    "push_to_milvus",
    "read_dataset",
    "register_encoder",
    "sample_directory",
    "sample_images",
    "search_picture",
    "searches_picture",
    "tag_images",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "i2v":
        return import_module(f"{__name__}.i2v")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
