"""The API of the original library: change ``import i2v`` to ``from i2v_search import i2v`` and keep the rest.

The original (Caffe and Chainer) and its ports to PyTorch and ONNX are covered, and ``i2v_search.i2v`` stands
for their modules too: ``from i2v_search.i2v.chainer_i2v import make_i2v_with_chainer``. Weights are read from
the given files each time; for daily use import them once with ``i2v-search models import``.

    illust2vec = i2v.make_i2v_with_caffe(
        "illust2vec_tag.prototxt", "illust2vec_tag_ver200.caffemodel", "tag_list.json")
    illust2vec.estimate_plausible_tags([Image.open("miku.jpg")], threshold=0.5)

Example:
    >>> import tempfile
    >>> from PIL import Image
    >>> from i2v_search import i2v
    >>> file = Path(tempfile.mkdtemp()) / "tiny.npz"  # in place of illust2vec_ver200.caffemodel
    >>> places = "1_1 2_1 3_1 3_2 4_1 4_2 5_1 5_2 6_1 6_2 6_3".split()
    >>> shapes = {**{f"conv{place}": (3, 3, 3, 3) for place in places}, "encode1": (16, 3 * 7 * 7)}
    >>> np.savez(file, **{f"{name}/W": np.full(shape, 0.1, np.float32) for name, shape in shapes.items()},
    ...     **{f"{name}/b": np.zeros(shape[0], np.float32) for name, shape in shapes.items()})
    >>> illust2vec = i2v.make_i2v_with_chainer(file)
    >>> img = Image.new("RGB", (300, 200), "white")
    >>> illust2vec.extract_feature([img]).shape, illust2vec.extract_binary_feature([img]).tolist()
    ((1, 16), [[255, 255]])
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import several
from i2v_search.choices import Device, DeviceName, Rule
from i2v_search.encoders.i2v_images import pixels_of
from i2v_search.encoders.i2v_input import BGR_MEAN, SIZE, network_mean, stretch, to_network_input
from i2v_search.encoders.i2v_net import Net
from i2v_search.encoders.networks.illustration2vec import binary_code
from i2v_search.encoders.weights.caffemodel import read_mean
from i2v_search.encoders.weights.checkpoints import check_architecture, read_weights
from i2v_search.encoders.weights.prototxt import check_prototxt
from i2v_search.errors import EncoderError, TagListError, WeightsError
from i2v_search.files import file_sha256
from i2v_search.tags.lists import read_vocabulary
from i2v_search.tags.thresholds import read_thresholds
from i2v_search.tags.vocabulary import Vocabulary, plausible_tags, specific_tags, top_tags

PathLike: TypeAlias = str | os.PathLike[str]
TagLists: TypeAlias = dict[str, list[tuple[str, float]]]


class Illustration2Vec:
    """Tags and feature vectors of images, as the original object gave them.

    Make one with `make_i2v_with_caffe`, `make_i2v_with_chainer`, `make_i2v_with_pytorch` or
    `make_i2v_with_onnx`. `images` are those of `i2v_search.encoders.i2v_images.pixels_of`; one alone may
    stand for a list. Pickling keeps the names of the files, which must still be there when it is read.

    Args:
        param_path: the weights.
        tag_path: the list of tags.
        threshold_path: each tag's thresholds (.npz).
        net_path: a configuration (.prototxt) to check the weights against.
        mean_path: a mean image (.npy or .binaryproto), whose means replace the published ones.
        anti_aliasing: blur images before they are reduced. The original did not, but did so when used with
            scikit-image 0.15 or later: needed for vectors that compare with those made that way.
        device: see `i2v_search.Device`.

    Attributes:
        net: the network; see `Net`.
        tags: (n,) names of the tags, or None.
        index: position of each tag.
        threshold: (n, 3) float32 thresholds for the rules f0.5, f1 and f2, or None.
        mean: (3,) means of blue, green and red, which are subtracted; may be set.

    Raises:
        WeightsError: the weights are damaged, hold code, or are of a foreign network.
        TagListError: the list of tags has another length than the weights.
        TagError: the list of tags or the thresholds cannot be read.
    """

    def __init__(
        self,
        param_path: PathLike,
        tag_path: PathLike | None = None,
        threshold_path: PathLike | None = None,
        *,
        net_path: PathLike | None = None,
        mean_path: PathLike | None = None,
        anti_aliasing: bool = False,
        device: Device | DeviceName = "auto",
    ) -> None:
        files = {
            "param_path": param_path,
            "tag_path": tag_path,
            "threshold_path": threshold_path,
            "net_path": net_path,
            "mean_path": mean_path,
        }
        self._given: dict[str, Any] = {
            name: Path(path).absolute() for name, path in files.items() if path is not None
        }
        self._given["device"] = Device.of(device)
        file = Path(param_path)
        weights = read_weights(file)
        tags = check_architecture(weights).tags
        if net_path is not None:
            check_prototxt(Path(net_path), weights)
        vocabulary = None if tag_path is None else read_vocabulary(tag_path, count=tags)
        if vocabulary is not None and threshold_path is not None:
            vocabulary = vocabulary.with_thresholds(read_thresholds(threshold_path, len(vocabulary)))
        self._vocabulary = vocabulary
        self.net = Net(weights, file_sha256(file), Device.of(device))
        self.tags = None if vocabulary is None else np.array(vocabulary.names)
        self.index = {name: place for place, name in enumerate(vocabulary.names if vocabulary else ())}
        self.threshold = None if vocabulary is None else vocabulary.thresholds
        self.mean = np.array(BGR_MEAN if mean_path is None else _channel_means(Path(mean_path)))
        self.anti_aliasing = anti_aliasing
        self.mode = "tag"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it was made of; sessions of ONNX Runtime cannot be pickled."""
        kept = {name: getattr(self, name) for name in ("mean", "anti_aliasing", "mode")}
        return partial(type(self), **self._given), (), kept

    def estimate_plausible_tags(
        self, images: Any, threshold: float = 0.25, threshold_rule: Rule = "constant"
    ) -> list[TagLists]:
        """Tags above a threshold for each image, by category in descending probability; all ratings.

        Args:
            images: see the class.
            threshold: for rule ``"constant"``.
            threshold_rule: ``"constant"``, or ``"f0.5"``, ``"f1"``, ``"f2"``: each tag's own threshold.

        Raises:
            MissingLayerError: these are not the weights of the tag model.
            TagListError: no list of tags was given.
            TagRuleError: the rule is unknown, or needs thresholds that were not given.
            ImageError: an image cannot be read; an `ImageTypeError` where it is none.
        """
        choose = partial(plausible_tags, threshold=threshold, rule=threshold_rule)
        vocabulary = self._need_vocabulary()
        return [choose(row, vocabulary).to_dict() for row in self._estimate(images)]

    def estimate_specific_tags(self, images: Any, tags: Iterable[str]) -> list[dict[str, float]]:
        """Probabilities of given tags for each image.

        Raises:
            UnknownTagError: a tag is not in the list.
        """
        vocabulary, names = self._need_vocabulary(), several(tags)
        found = [specific_tags(row, vocabulary, names) for row in self._estimate(images)]
        return [{name: tag.probability for name, tag in zip(names, row, strict=True)} for row in found]

    def estimate_top_tags(self, images: Any, n_tag: int = 10) -> list[TagLists]:
        """The `n_tag` most probable tags of each category for each image."""
        vocabulary = self._need_vocabulary()
        return [top_tags(row, vocabulary, count=n_tag).to_dict() for row in self._estimate(images)]

    def extract_feature(self, images: Any, layername: str = "encode1") -> NDArray[np.float32]:
        """Feature vectors, (n, 4096) float32, signed and of any length.

        Args:
            images: see the class.
            layername: another layer, whose values become one row an image, such as ``"conv5_2"``; see
                `Net.run`.

        Raises:
            MissingLayerError: the weights have no such layer: those of the tag model have no ``encode1``.
            ImageError: an image cannot be read; an `ImageTypeError` where it is none.
        """
        values = self._extract(images, layername)
        return values.reshape(len(values), -1)

    def extract_binary_feature(self, images: Any) -> NDArray[np.uint8]:
        """Binary codes, (n, 512) uint8: the signs of `extract_feature`, most significant bit first."""
        return binary_code(self.extract_feature(images))

    def resize_image(self, im: Any, new_dims: Iterable[int], interp_order: int = 1) -> NDArray[np.float32]:
        """Stretch an image as before it enters the network.

        Args:
            im: (h, w, channels) of any numbers.
            new_dims: height and width, as first two numbers.
            interp_order: 1, bilinear, is the only one.

        Returns:
            (height, width, channels) float32.

        Raises:
            EncoderError: another order.
        """
        if interp_order != 1:
            raise EncoderError(f"interp_order is {interp_order}; only 1, bilinear, is supported")
        height, width, *_ = new_dims
        return stretch(np.asarray(im), (height, width), anti_aliasing=self.anti_aliasing)

    def change_mode(self, new_mode: str = "tag") -> None:
        """Set `mode`, as a PyTorch port needs between tags and features; here both always work."""
        self.mode = new_mode

    def _convert_image(self, image: Any) -> NDArray[Any]:
        """(h, w, 3) of any numbers; what subclasses of the original replace to change images first."""
        return pixels_of(image)

    def _estimate(self, images: Any) -> NDArray[np.float32]:
        self._need_vocabulary()
        return self._extract(images, "prob")

    def _extract(self, inputs: Any, layername: str) -> NDArray[np.float32]:
        """Values of a layer for images: (n, ...) float32."""
        images = [inputs] if getattr(inputs, "ndim", None) in {2, 3} else several(inputs)
        if not images:
            raise EncoderError("give at least one image")
        size, mean = self.net.batch_size(layername), network_mean(self.mean)
        found = []
        for start in range(0, len(images), size):
            pixels = map(self._convert_image, images[start : start + size])
            batch = np.stack([self.resize_image(image, (SIZE, SIZE)) for image in pixels])
            found.append(self.net.run(layername, to_network_input(batch, mean)))
        return np.concatenate(found)

    def _need_vocabulary(self) -> Vocabulary:
        if self._vocabulary is None:
            raise TagListError(
                "tags need the list of their names; load the tag model with its tag_list.json: "
                "illust2vec_tag_ver200.caffemodel"
            )
        return self._vocabulary


class Options(TypedDict, total=False):
    """What every maker accepts beside its files; see `Illustration2Vec`."""

    anti_aliasing: bool
    device: Device | DeviceName


def make_i2v_with_caffe(
    net_path: PathLike,
    param_path: PathLike | None = None,
    tag_path: PathLike | None = None,
    threshold_path: PathLike | None = None,
    *,
    mean_path: PathLike | None = None,
    **options: Unpack[Options],
) -> Illustration2Vec:
    """Load Caffe weights.

    Args:
        net_path: the network's configuration (.prototxt), checked against the weights; may be left out.
        param_path: the weights (.caffemodel).
        tag_path: the list of tags (tag_list.json), for the tag model. A port has the mean image (.npy) in
            this place and the list in the next.
        threshold_path: each tag's thresholds (.npz), for the rules f0.5, f1 and f2.
        mean_path: see `Illustration2Vec`, also for `options` and errors.
    """
    if param_path is None:
        return Illustration2Vec(net_path, tag_path, threshold_path, mean_path=mean_path, **options)
    if tag_path is not None and Path(tag_path).suffix in {".npy", ".binaryproto"}:
        mean_path, tag_path, threshold_path = tag_path, threshold_path, None
    return Illustration2Vec(
        param_path, tag_path, threshold_path, net_path=net_path, mean_path=mean_path, **options
    )


def make_i2v_with_chainer(
    param_path: PathLike,
    tag_path: PathLike | None = None,
    threshold_path: PathLike | None = None,
    **options: Unpack[Options],
) -> Illustration2Vec:
    """Load the weights that the original read through Chainer: a .caffemodel, or a Chainer .npz.

    Args and errors are those of `make_i2v_with_caffe`.
    """
    return Illustration2Vec(param_path, tag_path, threshold_path, **options)


def make_i2v_with_pytorch(
    model_path: PathLike | None = None,
    param_path: PathLike | None = None,
    tag_path: PathLike | None = None,
    threshold_path: PathLike | None = None,
    mode: str = "tag",
    **options: Unpack[Options],
) -> Illustration2Vec:
    """Load the weights of a PyTorch port: a state dict (.pth). A pickled module is refused.

    Args:
        model_path: a .prototxt to check the weights against; a Python module is not needed and not read. One
            port has no such argument: it begins with `param_path`.
        param_path: the weights.
        tag_path: see `make_i2v_with_caffe`, as for `threshold_path` and `options`.
        mode: ``"tag"`` or ``"feature"``, which one port has to choose between; here both always work.

    Raises:
        WeightsError: the file holds code, is damaged or of a foreign network, or none is given.
        TagListError: the list of tags does not fit.
    """
    if model_path is not None and param_path is None:
        model_path, param_path = None, model_path
    elif model_path is not None and str(param_path).endswith((".json", ".json.gz")):
        model_path, param_path, tag_path, threshold_path = None, model_path, param_path, tag_path
    if param_path is None:
        raise WeightsError("no file of weights is given; give one as param_path")
    is_configuration = model_path is not None and Path(model_path).suffix == ".prototxt"
    net_path = model_path if is_configuration else None
    made = Illustration2Vec(param_path, tag_path, threshold_path, net_path=net_path, **options)
    made.change_mode(mode)
    return made


#: Of the port to ONNX, with the models that it published, or others of the same networks.
make_i2v_with_onnx = make_i2v_with_chainer

# The original's classes and modules, and what says whether Caffe or Chainer is installed.
Illustration2VecBase: TypeAlias = Illustration2Vec
CaffeI2V: TypeAlias = Illustration2Vec
ChainerI2V: TypeAlias = Illustration2Vec
ONNXI2V: TypeAlias = Illustration2Vec
PytorchI2V: TypeAlias = Illustration2Vec
caffe_available = chainer_available = onnx_available = pytorch_available = True
base = caffe_i2v = chainer_i2v = onnx_i2v = pytorch_i2v = sys.modules[__name__]
for _module in ("base", "caffe_i2v", "chainer_i2v", "onnx_i2v", "pytorch_i2v"):
    sys.modules[f"i2v_search.i2v.{_module}"] = base


def _channel_means(path: Path) -> NDArray[np.float64]:
    means: NDArray[np.float64] = read_mean(path).mean(axis=(1, 2), dtype=np.float64)
    return means
