"""The API of the original library: change ``import i2v`` to ``from i2v_search import i2v`` and keep the rest.

Both the original (Caffe and Chainer) and its PyTorch port are covered. Weights are read from the given files
each time; for daily use import them once with ``i2v-search models import``.

    from i2v_search import i2v
    illust2vec = i2v.make_i2v_with_caffe(
        "illust2vec_tag.prototxt", "illust2vec_tag_ver200.caffemodel", "tag_list.json")
    illust2vec.estimate_plausible_tags([Image.open("miku.jpg")], threshold=0.5)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.arguments import several
from i2v_search.choices import Device, Rule
from i2v_search.encoders.base import EncoderInfo
from i2v_search.encoders.i2v_input import PREPROCESSING, network_mean
from i2v_search.encoders.networks.illustration2vec import (
    FeatureModel,
    Head,
    TagModel,
    binary_code,
    i2v_network,
)
from i2v_search.encoders.networks.runtime import open_runtime
from i2v_search.encoders.weights.checkpoints import check_architecture, heads, read_weights
from i2v_search.encoders.weights.prototxt import check_prototxt
from i2v_search.errors import EncoderError
from i2v_search.files import file_sha256
from i2v_search.images.decoding import load_image
from i2v_search.tags.lists import read_thresholds, read_vocabulary
from i2v_search.tags.vocabulary import plausible_tags, specific_tags, top_tags

PathLike: TypeAlias = str | os.PathLike[str]
TagLists: TypeAlias = dict[str, list[tuple[str, float]]]


class Illustration2Vec:
    """Tags and feature vectors of images, as the original object gave them.

    Make one with `make_i2v_with_caffe`, `make_i2v_with_chainer` or `make_i2v_with_pytorch`. `images` are PIL
    images, arrays (h, w), (h, w, 3) or (h, w, 4) of uint8, or files; one alone may stand for a list.

    Args:
        feature: the feature model, where its weights were given.
        tagger: the tag model, where its weights and the list of tags were given.
    """

    def __init__(self, feature: FeatureModel | None = None, tagger: TagModel | None = None) -> None:
        self._feature, self._tagger = feature, tagger

    def estimate_plausible_tags(
        self, images: Any, threshold: float = 0.25, threshold_rule: Rule = "constant"
    ) -> list[TagLists]:
        """Tags above a threshold for each image, by category in descending probability; all ratings.

        Args:
            images: see the class.
            threshold: for rule ``"constant"``.
            threshold_rule: ``"constant"``, or ``"f0.5"``, ``"f1"``, ``"f2"``: each tag's own threshold.

        Raises:
            EncoderError: these are not the weights of the tag model.
            TagError: the rule needs thresholds that were not given.
        """
        tagger = self._need_tagger()
        return [
            plausible_tags(row, tagger.vocabulary, threshold=threshold, rule=threshold_rule).to_dict()
            for row in self._probabilities(images)
        ]

    def estimate_specific_tags(self, images: Any, tags: Iterable[str]) -> list[dict[str, float]]:
        """Probabilities of given tags for each image.

        Raises:
            EncoderError: these are not the weights of the tag model.
            TagError: a tag is not in the list.
        """
        tagger, names = self._need_tagger(), several(tags)
        return [
            {
                name: tag.probability
                for name, tag in zip(names, specific_tags(row, tagger.vocabulary, names), strict=True)
            }
            for row in self._probabilities(images)
        ]

    def estimate_top_tags(self, images: Any, n_tag: int = 10) -> list[TagLists]:
        """The `n_tag` most probable tags of each category for each image.

        Raises:
            EncoderError: these are not the weights of the tag model.
        """
        tagger = self._need_tagger()
        return [
            top_tags(row, tagger.vocabulary, count=n_tag).to_dict() for row in self._probabilities(images)
        ]

    def extract_feature(self, images: Any) -> NDArray[np.float32]:
        """Feature vectors, (n, 4096) float32, signed and of any length.

        Raises:
            EncoderError: these are not the weights of the feature model.
        """
        if self._feature is None:
            raise EncoderError(
                "these are weights of the tag model, which gives no feature vectors (no layer "
                "'encode1'); load the feature model: illust2vec_ver200.caffemodel"
            )
        feature = self._feature
        return _in_batches(feature, images, lambda inputs: feature.encode(inputs).vectors)

    def extract_binary_feature(self, images: Any) -> NDArray[np.uint8]:
        """Binary codes, (n, 512) uint8: the signs of `extract_feature`, most significant bit first.

        Raises:
            EncoderError: these are not the weights of the feature model.
        """
        return binary_code(self.extract_feature(images))

    def _need_tagger(self) -> TagModel:
        if self._tagger is None:
            raise EncoderError(
                "these are weights of the feature model, or the tag list is missing; load the tag model "
                "with its tag_list.json: illust2vec_tag_ver200.caffemodel"
            )
        return self._tagger

    def _probabilities(self, images: Any) -> NDArray[np.float32]:
        tagger = self._need_tagger()
        return _in_batches(tagger, images, tagger.tag)


def make_i2v_with_caffe(
    net_path: PathLike,
    param_path: PathLike,
    tag_path: PathLike | None = None,
    threshold_path: PathLike | None = None,
) -> Illustration2Vec:
    """Load Caffe weights.

    Args:
        net_path: the network's configuration (.prototxt), checked against the weights.
        param_path: the weights (.caffemodel).
        tag_path: the list of tags (tag_list.json), for the tag model.
        threshold_path: each tag's thresholds (.npz), for the rules f0.5, f1 and f2.

    Raises:
        WeightsError: the weights are damaged, of a foreign network, or not those of the configuration.
        TagError: the list of tags does not fit.
    """
    return _make(param_path, tag_path, threshold_path, net_path)


def make_i2v_with_chainer(
    param_path: PathLike, tag_path: PathLike | None = None, threshold_path: PathLike | None = None
) -> Illustration2Vec:
    """Load the weights that the original read through Chainer: a .caffemodel, or a Chainer .npz.

    Args and errors are those of `make_i2v_with_caffe`.
    """
    return _make(param_path, tag_path, threshold_path)


def make_i2v_with_pytorch(
    model_path: PathLike | None,
    param_path: PathLike,
    tag_path: PathLike | None = None,
    threshold_path: PathLike | None = None,
) -> Illustration2Vec:
    """Load the weights of a PyTorch port: a state dict (.pth). A pickled module is refused.

    Args:
        model_path: a .prototxt to check the weights against; anything else is not needed and not read.
        param_path: the weights.
        tag_path: see `make_i2v_with_caffe`.
        threshold_path: see `make_i2v_with_caffe`.

    Raises:
        WeightsError: the file holds code, is damaged, or of a foreign network.
        TagError: the list of tags does not fit.
    """
    is_configuration = model_path is not None and Path(model_path).suffix == ".prototxt"
    return _make(param_path, tag_path, threshold_path, model_path if is_configuration else None)


def _make(
    param_path: PathLike,
    tag_path: PathLike | None,
    threshold_path: PathLike | None,
    net_path: PathLike | None = None,
) -> Illustration2Vec:
    file = Path(param_path)
    weights = read_weights(file)
    check_architecture(weights)
    if net_path is not None:
        check_prototxt(Path(net_path), weights)
    sha256, mean = file_sha256(file), network_mean()

    def runtime(head: Head) -> Any:
        return open_runtime(i2v_network(head), lambda: weights, key=sha256, device=Device())

    found = heads(weights)
    feature = tagger = None
    if "feature" in found:
        info = EncoderInfo(file.name, sha256, PREPROCESSING, weights["encode1.bias"].shape[0])
        feature = FeatureModel(info, runtime("feature"), mean)
    if "tag" in found and tag_path is not None:
        vocabulary = read_vocabulary(tag_path, count=weights["conv6_4.bias"].shape[0])
        if threshold_path is not None:
            vocabulary = vocabulary.with_thresholds(read_thresholds(threshold_path, len(vocabulary)))
        info = EncoderInfo(file.name, sha256, PREPROCESSING, len(vocabulary))
        tagger = TagModel(info, runtime("tag"), mean, vocabulary)
    return Illustration2Vec(feature, tagger)


def _in_batches(
    model: FeatureModel | TagModel, images: Any, run: Callable[[Sequence[Any]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    loaded, size = _load(images), model.batch_size
    batches = (loaded[start : start + size] for start in range(0, len(loaded), size))
    return np.concatenate([run([model.prepare(image) for image in batch]) for batch in batches])


def _load(images: Any) -> Sequence[Image.Image]:
    """Images of any accepted kind as RGB: alpha over white, palettes expanded, grey in three channels."""
    items = [images] if isinstance(images, np.ndarray) and images.ndim < 4 else several(images)
    if not items:
        raise EncoderError("give at least one image")
    return [load_image(Image.fromarray(item) if isinstance(item, np.ndarray) else item) for item in items]
