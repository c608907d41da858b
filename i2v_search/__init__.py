"""i2v-search: similarity search and semantic morphs over illustration embeddings."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from i2v_search.collection import Collection
    from i2v_search.encoders import Encoder, EncoderInfo, Encoding, load_encoder, register_encoder
    from i2v_search.errors import I2VSearchError
    from i2v_search.extract import Extraction
    from i2v_search.images import load_image
    from i2v_search.morph import MorphQuality
    from i2v_search.pictures import morph_picture, search_picture
    from i2v_search.progress import Progress
    from i2v_search.query import Example
    from i2v_search.recipe import Recipe
    from i2v_search.results import CollectionInfo, Hit, Morph, SearchResult, Stop
    from i2v_search.sample import SampleImage, sample_directory, sample_images
    from i2v_search.sources import Skipped
    from i2v_search.store import Damage
    from i2v_search.tags import Tag

# Where each public name lives. They are imported when first used: the package itself costs nothing to import.
_HOMES = {
    "Collection": "collection",
    "CollectionInfo": "results",
    "Damage": "store",
    "Encoder": "encoders",
    "EncoderInfo": "encoders",
    "Encoding": "encoders",
    "Example": "query",
    "Extraction": "extract",
    "Hit": "results",
    "I2VSearchError": "errors",
    "Morph": "results",
    "MorphQuality": "morph",
    "Progress": "progress",
    "Recipe": "recipe",
    "SampleImage": "sample",
    "SearchResult": "results",
    "Skipped": "sources",
    "Stop": "results",
    "Tag": "tags",
    "load_encoder": "encoders",
    "load_image": "images",
    "morph_picture": "pictures",
    "register_encoder": "encoders",
    "sample_directory": "sample",
    "sample_images": "sample",
    "search_picture": "pictures",
}

__all__ = [
    "Collection",
    "CollectionInfo",
    "Damage",
    "Encoder",
    "EncoderInfo",
    "Encoding",
    "Example",
    "Extraction",
    "Hit",
    "I2VSearchError",
    "Morph",
    "MorphQuality",
    "Progress",
    "Recipe",
    "SampleImage",
    "SearchResult",
    "Skipped",
    "Stop",
    "Tag",
    "load_encoder",
    "load_image",
    "morph_picture",
    "register_encoder",
    "sample_directory",
    "sample_images",
    "search_picture",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
