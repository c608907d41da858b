"""Train a network on data sets, from their annotations to a model that can be used."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import renamed, several
from i2v_search.choices import Device, DeviceName, TrainingModel
from i2v_search.encoders.i2v_input import network_mean
from i2v_search.encoders.model_card import ModelCard
from i2v_search.encoders.model_folder import CARD, MEAN, write_vocabulary
from i2v_search.encoders.networks.optional_torch import import_torch
from i2v_search.encoders.networks.runtime import WEIGHTS, resolve_device, write_graph
from i2v_search.encoders.trained import preprocessing_of, trained_network
from i2v_search.errors import I2VSearchError, TrainingError
from i2v_search.files import file_sha256, naming, open_regular, read_regular, write_atomically
from i2v_search.images.sources import Skipped
from i2v_search.progress import Report, silent
from i2v_search.store.locks import ProcessLock
from i2v_search.tags.vocabulary import Vocabulary
from i2v_search.training.augment import NO_AUGMENTATION
from i2v_search.training.checkpoint import SECONDS, STATE
from i2v_search.training.curves import draw_curves
from i2v_search.training.datasets.dataset import Dataset, choose_vocabulary
from i2v_search.training.datasets.sparse_targets import SparseTargets
from i2v_search.training.datasets.splitting import Split, split
from i2v_search.training.initial import (
    ORIGINAL_WIDTHS,
    TAG_LAYER,
    Initial,
    Start,
    Widths,
    initial_weights,
    pretrained_lite,
)
from i2v_search.training.report import (
    CURVES,
    REPORT,
    RunReport,
    count_categories,
    count_left_out,
    describe_datasets,
    describe_versions,
    model_name,
    warnings_of,
)
from i2v_search.training.samples import PROGRESS, FeatureSamples, FrozenTrunk, PictureSamples, Samples
from i2v_search.training.settings import TrainingSettings
from i2v_search.training.thresholds import best_thresholds

if TYPE_CHECKING:
    from i2v_search.training.loop import Loop

CHECKPOINT, RUN, SPLIT = "checkpoint", "run.json", "split.npz"
_KINDS: dict[TrainingModel, Any] = {
    "illustration2vec": "i2v-tag",
    "illustration2vec-features": "i2v-feature",
    "lite": "lite",
}


@dataclass(frozen=True)
class _Plan:
    """Plan of a run, decided before the first update."""

    folder: Path
    device: Device
    datasets: Sequence[Dataset]
    settings: TrainingSettings
    start: Start
    vocabulary: Vocabulary
    targets: SparseTargets
    split: Split
    initial: Initial
    left_out: dict[str, int]


@renamed(engine="device")
def train(
    datasets: Sequence[Dataset],
    directory: str | os.PathLike[str],
    settings: TrainingSettings | None = None,
    *,
    start: Start | None = None,
    widths: Widths = ORIGINAL_WIDTHS,
    name: str | None = None,
    resume: bool = False,
    device: Device | DeviceName = Device(),
    checkpoint_seconds: float = SECONDS,
    report: Report = silent,
) -> RunReport:
    """Train a network; `directory` is then a model for ``--encoder``, ``--tagger`` and ``models import``.

    The directory also contains ``report.json`` and ``curves.png``. During training, ``checkpoint`` in it
    holds the state needed to continue after an interrupt or a crash; on a CPU the result is bit-identical to
    an uninterrupted run.

    Args:
        datasets: at least one, from `i2v_search.training.datasets.dataset.read_dataset`.
        directory: output directory, created if missing.
        settings: training settings.
        start: initial weights from `read_start`; None: ImageNet weights for ``lite``, random weights for the
            others.
        widths: widths of new layers.
        name: name of the model; None derives it from the directory.
        resume: continue an unfinished run in `directory`, if any; a finished one is left as it is, and its
            report returned. The batch size may be another one: each update still sees as many images.
        device: device of the training. Its batch size is that of a frozen trunk.
        checkpoint_seconds: minimum time between two checkpoints; each epoch ends with one.
        report: called with the progress.

    Raises:
        TagError: no tag is frequent enough.
        TrainingError: there is too little to train on, the directory is in use, or holds a run and `resume`
            is not given, or one with other settings; or the memory is full.
        EncoderError: the device is not there, or torch is not installed.
        KeyboardInterrupt: after a checkpoint was written.

    Example:
        >>> from i2v_search import TrainingSettings, read_dataset
        >>> drawings = read_dataset("art")
        >>> run = train([drawings], "runs/mine", TrainingSettings(frozen=True, minimum=3))  # doctest: +SKIP
        >>> run.best["validation_map"]  # doctest: +SKIP
        0.41
        >>> train([drawings], "runs/mine")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        i2v_search.errors.TagError: no tag can be learned: 20 pictures must have it ...
    """
    import_torch("training", extra="train")
    folder, chosen, datasets = Path(directory), settings or TrainingSettings(), several(datasets)
    if resume and (folder / CARD).exists() and not (folder / CHECKPOINT).exists():
        return RunReport.load(folder / REPORT)
    if resume and (folder / CHECKPOINT / RUN).exists():
        chosen = chosen.continuing(_read_run(folder / CHECKPOINT / RUN))
    with _claimed(folder, chosen, resume), _told_of_memory(chosen):
        most = chosen.max_tags or None
        vocabulary = choose_vocabulary(datasets, minimum=chosen.minimum, most=most)
        divided = _split(datasets, chosen, folder / CHECKPOINT / SPLIT, report)
        if start is None:
            start = pretrained_lite() if chosen.model == "lite" else Start({})
        plan = _Plan(
            folder=folder,
            device=Device.of(device),
            datasets=datasets,
            settings=chosen,
            start=start,
            vocabulary=vocabulary,
            targets=SparseTargets.read(datasets, vocabulary),
            split=divided,
            initial=initial_weights(chosen.model, vocabulary, start, seed=chosen.seed, widths=widths),
            left_out=count_left_out(datasets, vocabulary),
        )
        _require_enough(plan)
        loop, rest = _loop(plan, checkpoint_seconds, report)
        loop.run()
        made = _finish(plan, loop, rest, name or model_name(folder.resolve()))
        shutil.rmtree(folder / CHECKPOINT)
    return made


@contextlib.contextmanager
def _claimed(folder: Path, settings: TrainingSettings, resume: bool) -> Iterator[None]:
    """Hold a run's directory, and see that it is new or may be gone on with."""
    checkpoint = folder / CHECKPOINT
    if (folder / CARD).exists() and not checkpoint.exists():
        raise TrainingError(f"{folder} holds a trained model; choose another --out, or delete it first")
    if checkpoint.exists() and not resume:
        raise TrainingError(
            f"{folder} holds an unfinished run; add --resume to continue it, or choose another --out"
        )
    checkpoint.mkdir(parents=True, exist_ok=True)
    lock = ProcessLock(checkpoint / "lock")
    if not lock.acquire():
        raise TrainingError(f"another process is training into {folder}{lock.remedy}")
    try:
        with contextlib.suppress(FileNotFoundError):
            different = settings.differences(_read_run(checkpoint / RUN))
            if different:
                raise TrainingError(
                    f"the run in {folder} was started with other options: {'; '.join(different)}; use the "
                    "same options, or choose another --out"
                )
        write_atomically(checkpoint / RUN, json.dumps(settings.to_dict(), indent=1).encode())
        try:
            with naming(folder):
                yield
        except Exception as error:
            # Nothing was trained: leave nothing behind that would look like an unfinished run.
            kept = (checkpoint / PROGRESS).exists() and not isinstance(error, I2VSearchError)
            if not kept and not (checkpoint / STATE).exists():
                shutil.rmtree(checkpoint)
                with contextlib.suppress(OSError):
                    folder.rmdir()
            raise
    finally:
        lock.release()


@contextlib.contextmanager
def _told_of_memory(settings: TrainingSettings) -> Iterator[None]:
    """Say what to do where the memory of a device, or of the machine, is full."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        full = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
        if not full and "can't allocate memory" not in str(error):
            raise
        size = max(1, settings.batch_size // 2)
        raise TrainingError(
            f"out of memory with {settings.batch_size} images in a batch; run again with --resume "
            f"--batch-size {size}, which gives the same result"
        ) from error


def _read_run(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_regular(path))
    except ValueError as error:
        raise TrainingError(f"{path} is damaged ({error}); choose another --out") from error
    return document if isinstance(document, dict) else {}


def _require_enough(plan: _Plan) -> None:
    if len(plan.split.training) < 2:
        raise TrainingError(
            f"{len(plan.split.training)} images are left for training; give more, or a smaller --validation"
        )
    if not plan.targets.counts(plan.split.training)[0].any():
        raise TrainingError("no image for training has any of the tags; lower --validation or --minimum")


def _split(datasets: Sequence[Dataset], settings: TrainingSettings, path: Path, report: Report) -> Split:
    """The split; it opens every picture, so a resumed run reads what it found before."""
    key = _hash_pictures(datasets)
    with (
        contextlib.suppress(OSError, ValueError, KeyError),
        open_regular(path) as file,
        np.load(file, allow_pickle=False) as kept,
    ):
        if str(kept["key"]) == key:
            return Split(kept["training"].astype(np.int64), kept["validation"].astype(np.int64))
    found = split(
        datasets,
        validation=settings.validation,
        seed=settings.seed,
        compare=settings.compare,
        report=report,
    )
    with path.open("wb") as made:
        np.savez(made, training=found.training, validation=found.validation, key=np.array(key))
    return found


def _loop(plan: _Plan, checkpoint_seconds: float, report: Report) -> tuple[Loop, Mapping[str, NDArray[Any]]]:
    """The loop, and the weights that it does not train."""
    from i2v_search.training.loop import Loop
    from i2v_search.training.networks import TrainingNetwork, split_network, training_network

    settings, folder = plan.settings, plan.folder / CHECKPOINT
    network, weights = training_network(trained_network(settings.model)), plan.initial.weights
    preprocessing = preprocessing_of(settings.model, plan.start.mean)
    pictures = PictureSamples(
        plan.datasets, preprocessing, network.size, settings.augmentation, settings.seed
    )
    samples: Samples = pictures
    rest: Mapping[str, NDArray[Any]] = {}
    if settings.frozen:
        trunk_network, network = split_network(network, "pooled")
        copies = 0 if settings.augmentation == NO_AUGMENTATION else settings.copies
        rows = plan.split.training, plan.split.validation
        trunk = FrozenTrunk(trunk_network, weights, plan.device)
        samples = FeatureSamples.compute(
            pictures, rows, copies=copies, trunk=trunk, folder=folder, report=report
        )
        rest = {name: weights[name] for name in trunk_network.parameter_names()}
    module = TrainingNetwork(network, weights)
    layer = TAG_LAYER[settings.model]
    if layer in plan.initial.fresh:
        module.start_from_frequencies(layer, _frequencies(plan))
    loop = Loop(
        module,
        samples,
        plan.targets,
        plan.split,
        settings,
        folder=folder,
        fresh=plan.initial.fresh,
        device=plan.device,
        identity=_identity(plan),
        checkpoint_seconds=checkpoint_seconds,
        report=report,
    )
    return loop, rest


def _frequencies(plan: _Plan) -> NDArray[np.float64]:
    """Frequency of each tag among the training images with a known value."""
    positives, known = plan.targets.counts(plan.split.training)
    return np.asarray((positives + 1) / (known + 2), np.float64)


def _finish(plan: _Plan, loop: Loop, rest: Mapping[str, NDArray[Any]], name: str) -> RunReport:
    """Write the model, the report and the curves."""
    settings, position, folder = plan.settings, loop.position, plan.folder
    network = trained_network(settings.model)
    weights = {**rest, **loop.network.weights()}
    rows, probabilities = loop.probabilities(plan.split.validation)
    vocabulary = plan.vocabulary
    if len(rows):
        wanted = plan.targets.of(rows)
        thresholds = best_thresholds(wanted.positive, probabilities, wanted.known)
        vocabulary = vocabulary.with_thresholds(thresholds)
    dimension = len(weights["encode1.weight"]) if "encode1.weight" in weights else None
    write_graph(folder, network, {key: weights[key] for key in network.parameter_names()})
    write_vocabulary(folder, vocabulary)
    if plan.start.mean is not None and not np.array_equal(plan.start.mean, network_mean()):
        np.save(folder / MEAN, plan.start.mean, allow_pickle=False)
    sha256 = file_sha256(folder / WEIGHTS)
    pictures = [(dataset, picture) for dataset in plan.datasets for picture in dataset.pictures]
    made = RunReport(
        name=name,
        directory=str(folder),
        model=settings.model,
        start=plan.start.name,
        parameters=sum(int(np.prod(weights[key].shape)) for key in network.parameter_names()),
        dimension=dimension,
        vocabulary=count_categories(vocabulary),
        datasets=describe_datasets(plan.datasets, plan.split),
        epochs=tuple(position.epochs),
        best_epoch=position.best_epoch,
        finished=position.finished,
        seconds=sum(epoch["seconds"] for epoch in position.epochs),
        skipped=tuple(
            Skipped(pictures[row][1].path, reason) for row, reason in sorted(loop.samples.skipped.items())
        ),
        settings=settings.to_dict(),
        device=resolve_device(plan.device.name),
        versions=describe_versions(),
        left_out=plan.left_out,
        warnings=tuple(warnings_of(position.epochs, len(plan.split.validation))),
    )
    draw_curves(made.epochs, made.best_epoch).save(folder / CURVES)
    write_atomically(folder / REPORT, json.dumps(made.to_dict(), indent=1, ensure_ascii=False).encode())
    card = ModelCard(
        name=name,
        kind=_KINDS[settings.model],
        source=f"trained on {', '.join(dataset.name for dataset in plan.datasets)}",
        source_sha256=sha256,
        weights_sha256=sha256,
        preprocessing=preprocessing_of(settings.model, plan.start.mean).id,
        dimension=dimension,
        tags=len(vocabulary),
    )
    write_atomically(folder / CARD, card.model_dump_json(indent=1).encode())
    return made


def _identity(plan: _Plan) -> str:
    """A hash of what a checkpoint only fits to: the pictures, what is known of them, the split, the start."""
    digest = hashlib.sha256(_hash_pictures(plan.datasets).encode())
    digest.update(repr((plan.vocabulary, sorted(plan.initial.fresh))).encode())
    digest.update(plan.targets.digest())
    for part in (plan.split.training, plan.split.validation):
        digest.update(np.ascontiguousarray(part).tobytes())
    for key in plan.initial.weights:
        weight = plan.initial.weights[key]
        digest.update(repr((key, weight.shape)).encode())
        digest.update(np.ascontiguousarray(weight.reshape(-1)[:1024]).tobytes())
    return digest.hexdigest()


def _hash_pictures(datasets: Sequence[Dataset]) -> str:
    named = [
        (dataset.name, [_told(picture.path, picture.facts.get("split")) for picture in dataset.pictures])
        for dataset in datasets
    ]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _told(path: str, split: object) -> object:
    return path if split is None else [path, split]
