"""The training loop: updates, validation, early stopping, and stopping and going on at any moment.

Everything random is a function of (seed, epoch, row) or (seed, update), and the learning rate one of the
update, so that weights, optimizer and position are all there is to save: a run that was stopped and resumed
ends, on a CPU, with the very bits of one that was not.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from i2v_search.choices import Device
from i2v_search.encoders.networks.runtime import resolve_device, torch_dtype
from i2v_search.encoders.tensors import map_tensors, write_tensors
from i2v_search.errors import TrainingError
from i2v_search.progress import Progress, Report, silent
from i2v_search.training.checkpoint import SECONDS, Saved, best_file, load_checkpoint, save_checkpoint
from i2v_search.training.datasets.dataset import Targets
from i2v_search.training.datasets.sparse_targets import SparseTargets
from i2v_search.training.datasets.splitting import Split
from i2v_search.training.evaluation.metrics import tag_precision
from i2v_search.training.interrupts import Interrupts
from i2v_search.training.losses import cross_entropy_sum, weights_of_counts
from i2v_search.training.networks import TrainingNetwork
from i2v_search.training.optimizers import (
    make_optimizer,
    optimizer_tensors,
    restore_optimizer,
    schedule,
    seed_of,
)
from i2v_search.training.position import Epoch, Position
from i2v_search.training.report import DIVERGED
from i2v_search.training.samples import Samples, input_batches, read_ahead
from i2v_search.training.settings import TrainingSettings

#: Ends the name of a parameter's average in a checkpoint.
_AVERAGE = "/average"


class Loop:
    """Trains one network.

    Args:
        network: to train; its parameters are changed.
        samples: its inputs.
        targets: what it should say of every row.
        split: rows to learn from and rows to check it on.
        settings: how.
        fresh: layers that start from scratch.
        device: where the model runs.
        folder: where checkpoints are kept; exists.
        identity: identity of the run; a checkpoint of another is not continued.
        checkpoint_seconds: time between two checkpoints, at least.
        report: called with the progress.

    Raises:
        EncoderError: the device is not there.
        TrainingError: the folder holds a checkpoint of another run, or a damaged one.
    """

    def __init__(
        self,
        network: TrainingNetwork,
        samples: Samples,
        targets: Targets | SparseTargets,
        split: Split,
        settings: TrainingSettings,
        *,
        folder: Path,
        fresh: frozenset[str] = frozenset(),
        device: Device = Device(),
        identity: str = "",
        checkpoint_seconds: float = SECONDS,
        report: Report = silent,
    ) -> None:
        self.network, self.samples, self.targets = network, samples, targets
        self.split, self.settings, self.folder = split, settings, folder
        self.position = Position()
        self._identity, self._report = identity, report
        self._checkpoint_seconds = checkpoint_seconds
        self._device = resolve_device(device.name)
        self._threads = device.threads or os.cpu_count() or 1
        self._dtype = torch_dtype(self._device, device.precision)
        moved: Any = network
        moved.to(self._device, memory_format=torch.channels_last)
        self._names = {parameter: name for name, parameter in network.named_parameters()}
        self._optimizer = make_optimizer(network, settings, fresh)
        self._scaler = torch.amp.GradScaler(self._device, enabled=self._dtype == torch.float16)
        self._positive_weight = self._tensor(
            weights_of_counts(*targets.counts(split.training), settings.positive_weight)
            if settings.positive_weight
            else None
        )
        self._average = self._copy() if settings.average else {}
        self._restore()
        compiled: Any = torch.compile(network) if device.compile else network
        self._forward: Callable[[torch.Tensor], torch.Tensor] = compiled

    @property
    def updates(self) -> int:
        """Updates of a whole run."""
        return self.settings.epochs * self._updates_an_epoch

    @property
    def _rows_an_update(self) -> int:
        return self.settings.batch_size * self.settings.accumulate

    @property
    def _updates_an_epoch(self) -> int:
        return -(-len(self.split.training) // self._rows_an_update)

    def run(self, updates: int | None = None) -> Position:
        """Train to the end, or to an early stop, and give the network the weights of the best epoch.

        Args:
            updates: stop after this many more, with a checkpoint, as an interrupt would.

        Returns:
            Where the run stands.

        Raises:
            TrainingError: the loss is not finite any more, or no training image can be read.
            KeyboardInterrupt: as soon as the update at hand is done and a checkpoint is written.
        """
        last = math.inf if updates is None else self.position.update + updates
        threads = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        devices = [torch.cuda.current_device()] if self._device == "cuda" else []
        try:
            with torch.random.fork_rng(devices), Interrupts() as interrupts:
                self._run(interrupts, last)
                if interrupts.pending:
                    raise KeyboardInterrupt
        finally:
            torch.set_num_threads(threads)
        if self.position.finished and self.position.best_epoch is not None:
            best = map_tensors(best_file(self.folder, self.position.best_epoch))
            self.network.load_weights(best)
        return self.position

    def probabilities(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Output of the network for rows: the readable rows, and (n, t) float32."""
        found = [(kept, logits) for kept, logits in self._logits(rows)]
        if not found:
            return np.empty(0, np.int64), np.empty((0, self.targets.tags), np.float32)
        kept, logits = zip(*found, strict=True)
        return np.concatenate(kept), torch.sigmoid(torch.cat(logits)).numpy()

    def checkpoint(self) -> None:
        """Write a checkpoint."""
        self.position.skipped |= {str(row): reason for row, reason in self.samples.skipped.items()}
        self.position.scaler = self._scaler.state_dict()
        state = {**asdict(self.position), "identity": self._identity}
        # JSON has no infinity.
        state["best"] = None if math.isinf(self.position.best) else self.position.best
        tensors = optimizer_tensors(self._optimizer, self._names)
        tensors |= {f"{name}{_AVERAGE}": value.cpu().numpy() for name, value in self._average.items()}
        save_checkpoint(self.folder, self.position.update, Saved(state, self.network.weights(), tensors))

    def _run(self, interrupts: Interrupts, last: float) -> None:
        position, saved = self.position, time.monotonic()
        while not position.finished:
            for items in self._remaining():
                started = time.perf_counter()
                self._update(items)
                position.step += 1
                position.seconds += time.perf_counter() - started
                if interrupts.pending or position.update >= last:
                    self.checkpoint()
                    return
                if time.monotonic() - saved >= self._checkpoint_seconds:
                    self.checkpoint()
                    saved = time.monotonic()
            if not position.images:
                raise TrainingError("none of the training images can be read")
            if not self._end_epoch(interrupts):
                self.checkpoint()
                return
            self.checkpoint()
            saved = time.monotonic()

    def _remaining(self) -> Iterator[list[tuple[int, NDArray[Any]]]]:
        """Rows of each remaining update of this epoch."""
        order = np.random.default_rng((self.settings.seed, self.position.epoch)).permutation(
            self.split.training
        )
        rows = order[self.position.step * self._rows_an_update :].tolist()
        inputs = read_ahead(self.samples, rows, self.position.epoch, 2 * self.settings.batch_size)
        while True:
            # Waiting for pictures is part of an epoch's time.
            started = time.perf_counter()
            taken = list(islice(inputs, self._rows_an_update))
            if not taken:
                return
            self.position.seconds += time.perf_counter() - started
            yield [(row, value) for row, value in taken if value is not None]

    def _update(self, items: Sequence[tuple[int, NDArray[Any]]]) -> None:
        position, size = self.position, self.settings.batch_size
        rows = np.array([row for row, _ in items], np.int64)
        known = int(self.targets.of(rows).known.sum()) if len(rows) else 0
        rate = self._set_learning_rate()
        if known:
            torch.manual_seed(seed_of(self.settings.seed, position.update))
            self.network.train()
            self._optimizer.zero_grad(set_to_none=True)
            total = 0.0
            for start in range(0, len(items), size):
                values = np.stack([value for _, value in items[start : start + size]])
                loss = self._loss_sum(rows[start : start + size], self.samples.to_input(values))
                self._scaler.scale(loss / known).backward()  # type: ignore[no-untyped-call]
                total += float(loss.detach())
            if not math.isfinite(total):
                raise TrainingError(
                    f"the loss is {total} at update {position.update + 1}; lower the learning rate ({rate:g})"
                )
            if self.settings.clip:
                self._scaler.unscale_(self._optimizer)
                torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
            self._scaler.step(self._optimizer)
            self._scaler.update()
            position.loss += total
            position.known += known
            self._follow_average()
        position.images += len(rows)
        position.update += 1
        self._report_update()

    def _report_update(self) -> None:
        position, images = self.position, len(self.split.training)
        loss = position.loss / max(position.known, 1)
        done = position.epoch * images + min((position.step + 1) * self._rows_an_update, images)
        checked = "" if not position.epochs else _describe(position.epochs[-1])
        diverging = " (diverging: lower the learning rate)" if loss > DIVERGED else ""
        note = f"epoch {position.epoch + 1}/{self.settings.epochs}, loss {loss:.4f}{diverging}{checked}"
        self._report(Progress("training", done, self.settings.epochs * images, note))

    def _end_epoch(self, interrupts: Interrupts) -> bool:
        """Validate, remember the best weights, and decide whether to continue; False if interrupted
        before."""
        position, settings = self.position, self.settings
        with self._averaged():
            return self._judge_epoch(interrupts, position, settings)

    def _judge_epoch(self, interrupts: Interrupts, position: Position, settings: TrainingSettings) -> bool:
        checked = self._validate(interrupts)
        if checked is None:
            return False
        loss, mean_precision = checked
        epoch = Epoch(
            number=position.epoch + 1,
            training_loss=position.loss / max(position.known, 1),
            validation_loss=loss,
            validation_map=mean_precision,
            seconds=position.seconds,
            images=position.images,
            learning_rate=settings.learning_rate * self._share_of(position.update - 1),
        )
        position.epochs.append(epoch.to_dict())
        value = _value(epoch, settings)
        # Without validation images the last epoch is taken for the best.
        if value is None or value < position.best or position.best_epoch is None:
            position.best_epoch, position.best = epoch.number, math.inf if value is None else value
            metadata = {"format": "i2v-search training"}
            write_tensors(best_file(self.folder, epoch.number), self.network.weights(), metadata)
        position.epoch, position.step = position.epoch + 1, 0
        position.loss, position.known, position.images, position.seconds = 0.0, 0, 0, 0.0
        if position.epoch == settings.epochs:
            position.finished = "epochs"
        elif settings.patience and epoch.number - position.best_epoch >= settings.patience:
            position.finished = "early"
        return True

    def _validate(self, interrupts: Interrupts) -> tuple[float | None, float | None] | None:
        """Loss and mean average precision on the validation rows; None if interrupted."""
        rows = self.split.validation
        kept, found = [], []
        for part, logits in self._logits(rows):
            kept.append(part)
            found.append(logits)
            self._report(Progress("validating", sum(map(len, kept)), len(rows)))
            if interrupts.pending:
                return None
        if not kept:
            return None, None
        numbers, logits = np.concatenate(kept), torch.cat(found)
        wanted = self.targets.of(numbers)
        positive, known = wanted.positive, wanted.known
        if not known.any():
            return None, None
        total = cross_entropy_sum(logits, torch.from_numpy(positive), torch.from_numpy(known))
        precision = tag_precision(positive, logits.numpy(), known).mean()
        return float(total) / int(known.sum()), None if math.isnan(precision) else precision

    def _logits(self, rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], torch.Tensor]]:
        """Rows that can be read, and their (n, t) float32 logits on the CPU, batch by batch."""
        self.network.eval()
        for kept, inputs in input_batches(self.samples, rows.tolist(), None, self.settings.batch_size):
            with torch.inference_mode(), self._autocast():
                logits = self._forward(self._image(inputs))
            yield kept, logits.float().cpu()

    def _loss_sum(self, rows: NDArray[np.int64], inputs: NDArray[np.float32]) -> torch.Tensor:
        with self._autocast():
            logits = self._forward(self._image(inputs))
        wanted = self.targets.of(rows)
        positive, known = (
            torch.from_numpy(part).to(self._device) for part in (wanted.positive, wanted.known)
        )
        return cross_entropy_sum(
            logits,
            positive,
            known,
            self._positive_weight,
            focus=self.settings.negative_focus,
            margin=self.settings.negative_margin,
        )

    def _image(self, inputs: NDArray[np.float32]) -> torch.Tensor:
        layout = torch.channels_last if inputs.ndim == 4 else torch.contiguous_format
        return torch.from_numpy(inputs).to(self._device, memory_format=layout)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device, dtype=self._dtype, enabled=self._dtype is not None)

    def _tensor(self, values: NDArray[np.float32] | None) -> torch.Tensor | None:
        return None if values is None else torch.from_numpy(values).to(self._device)

    def _set_learning_rate(self) -> float:
        share = self._share_of(self.position.update)
        for group in self._optimizer.param_groups:
            group["lr"] = group["highest"] * share
        return self.settings.learning_rate * share

    def _share_of(self, update: int) -> float:
        return schedule(update, self.updates, self.settings.warmup, self.settings.warmup_updates)

    def _copy(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in self.network.named_parameters()}

    def _follow_average(self) -> None:
        """Move the averaged weights towards the present ones; at the beginning faster."""
        if self._average:
            update = self.position.update
            decay = min(self.settings.average, (1 + update) / (10 + update))
            with torch.no_grad():
                for name, value in self.network.named_parameters():
                    self._average[name].lerp_(value, 1 - decay)

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Give the network the averaged weights for a while, if there are any."""
        held = self._copy() if self._average else {}
        self._take_over(self._average)
        try:
            yield
        finally:
            self._take_over(held)

    def _take_over(self, weights: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, value in weights.items():
                self.network.get_parameter(name).copy_(value)

    def _restore(self) -> None:
        saved = load_checkpoint(self.folder)
        if saved is None:
            return
        if saved.state.pop("identity", None) != self._identity:
            raise TrainingError(
                f"{self.folder.parent} holds an unfinished run with other data or another network; choose "
                "another --out"
            )
        names = {entry.name for entry in fields(Position)}
        if set(saved.state) != names:
            raise TrainingError(f"{self.folder} holds a checkpoint of another version; choose another --out")
        state = {**saved.state, "best": math.inf if saved.state["best"] is None else saved.state["best"]}
        self.position = Position(**state)
        self.samples.skipped |= {int(row): reason for row, reason in self.position.skipped.items()}
        self.network.load_weights(saved.weights)
        averages = {key: value for key, value in saved.optimizer.items() if key.endswith(_AVERAGE)}
        others = {key: value for key, value in saved.optimizer.items() if key not in averages}
        restore_optimizer(self._optimizer, self._names, others)
        for name in self._average:
            self._average[name].copy_(torch.from_numpy(np.array(averages[f"{name}{_AVERAGE}"])))
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(self.position.scaler)


def _value(epoch: Epoch, settings: TrainingSettings) -> float | None:
    """Criterion of early stopping; lower is better. The loss if there is no mean average precision."""
    if settings.criterion == "map" and epoch.validation_map is not None:
        return -epoch.validation_map
    return epoch.validation_loss


def _describe(epoch: dict[str, Any]) -> str:
    if epoch["validation_loss"] is None:
        return ""
    precision = epoch["validation_map"]
    return (
        f", validation loss {epoch['validation_loss']:.4f}" if precision is None else f", mAP {precision:.3f}"
    )
