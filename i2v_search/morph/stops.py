"""A morph as users get it: its images and its quality."""

from __future__ import annotations

from dataclasses import dataclass

from i2v_search.escapes import JsonReady
from i2v_search.morph.quality import MorphQuality


@dataclass(frozen=True)
class Stop(JsonReady):
    """One image of a morph.

    Attributes:
        id: id of the image; None for an end or waypoint from outside the collection.
        path: path relative to the image root of the collection, or as given.
        hop: angle to the previous image in radians; 0 for A.
        progress: position between A and B, in [0, 1]: 0 for A, 1 for B
            (`i2v_search.morph.quality.progress_along`).
        tags: a few of its tags that tell most, those of the general category first.
        waypoint: whether it is a waypoint.
        text: the text that it was the best result for; "" for an end that was given as an image.

    Example:
        >>> from i2v_search import Collection
        >>> stop = Collection.open("index/art").morph("birds/owl.webp", "fruit/apple.webp", steps=1).stops[1]
        >>> stop.path, 0 < stop.progress < 1
        ('fruit/pineapple.webp', True)
    """

    id: int | None
    path: str
    hop: float = 0.0
    progress: float = 0.0
    tags: tuple[str, ...] = ()
    waypoint: bool = False
    text: str = ""


@dataclass(frozen=True)
class Morph(JsonReady):
    """A path of real images from A to B.

    Attributes:
        stops: A, the intermediates, B.
        method: name of the method.
        quality: quality of the morph.
        gaps: number of crossings between unconnected parts of the collection.
        seconds: search time.

    Example:
        >>> from i2v_search import Collection
        >>> morph = Collection.open("index/art").morph("birds/owl.webp", "fruit/apple.webp", steps=2)
        >>> [stop.path for stop in morph.stops]
        ['birds/owl.webp', 'birds/penguin.webp', 'fruit/cherries.webp', 'fruit/apple.webp']
    """

    stops: tuple[Stop, ...]
    method: str
    quality: MorphQuality
    gaps: int
    seconds: float
