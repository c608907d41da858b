"""Tags of images that need no collection: images -> decode threads -> batches -> tagger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from i2v_search.arguments import several
from i2v_search.choices import Rule
from i2v_search.encoders.base import Tagger, tag_batch
from i2v_search.encoders.stream import run_batches, skipping
from i2v_search.images.decoding import decode_image
from i2v_search.images.signature import is_signed
from i2v_search.images.sources import Skipped, SourceImage, Sources, count_images, image_root, iter_images
from i2v_search.images.unread import DRAWN, Tally
from i2v_search.progress import Progress, Report, silent
from i2v_search.tags.vocabulary import ImageTags, plausible_tags, top_tags


@dataclass(frozen=True)
class TaggedImage:
    """An image and its tags; `path` is relative to the sources' common folder.

    Example:
        >>> from i2v_search import load_tagger
        >>> image = next(tag_images(["art/fruit/lemon.webp"], load_tagger("lite")))
        >>> image.path, image.tags.general[0].name
        ('lemon.webp', 'food')
    """

    path: str
    tags: ImageTags


def tag_images(
    sources: Sources,
    tagger: Tagger,
    *,
    threshold: float | None = None,
    rule: Rule = "constant",
    top: int | None = None,
    exclude: Sequence[str] = (),
    tally: Tally | None = None,
    report: Report = silent,
) -> Iterator[TaggedImage | Skipped]:
    """Tag images one after the other, in bounded memory.

    Args:
        sources: folders, files, globs and archives.
        tagger: from `i2v_search.encoders.registry.load_tagger`.
        threshold: minimum probability of a tag, for rule ``"constant"``; None takes what the tagger states
            for each tag, or 0.25.
        rule: ``"constant"``, or ``"f0.5"``, ``"f1"``, ``"f2"`` for each tag's own threshold.
        top: number of best tags per category, instead of a threshold.
        exclude: patterns to exclude, as in a ``.gitignore``.
        tally: counts files that are not read.
        report: called with the progress.

    Yields:
        Every image with its tags, or `Skipped` with the reason.

    Raises:
        SourceError: a source does not exist or holds no image.
        EncoderError: the tagger gives something else than probabilities.
        TagError: the rule needs thresholds that the tagger does not have.

    Example:
        >>> from i2v_search import load_tagger
        >>> for image in tag_images(["art/fruit"], load_tagger("lite")):
        ...     assert "fruit" in [tag.name for tag in image.tags.general]
    """
    if top is None:

        def choose(row: Any) -> ImageTags:
            return plausible_tags(row, tagger.vocabulary, threshold=threshold, rule=rule)
    else:

        def choose(row: Any) -> ImageTags:
            return top_tags(row, tagger.vocabulary, count=top)

    tally, sources = tally or Tally(), several(sources)  # read more than once
    total, done = count_images(sources, exclude=exclude), 0
    images = iter_images(sources, image_root(sources), exclude=exclude, tally=tally)

    def prepare(item: SourceImage | Skipped) -> tuple[str | Skipped | None, Any]:
        if isinstance(item, Skipped):
            return item, None
        content = item.read()
        if is_signed(content):
            return None, None
        decoded = decode_image(content, name=item.path, shrink_to=tagger.shrink_to)
        return item.path, tagger.prepare(decoded.pixels)

    for batch in run_batches(images, skipping(prepare), partial(tag_batch, tagger), tagger.batch_size):
        rows = iter(() if batch.output is None else batch.output)
        for item in batch.items:
            if item is None:
                tally.add(DRAWN)
                continue
            done += 1
            yield item if isinstance(item, Skipped) else TaggedImage(item, choose(next(rows)))
        report(Progress("tagging", done, max(total, done)))
