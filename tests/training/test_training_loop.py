"""The loop: it learns, it can be stopped and resumed at any update, and it stops when nothing gets better."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from i2v_search.choices import Device
from i2v_search.encoders.networks.layers import Layer, Network
from i2v_search.encoders.tensors import map_tensors
from i2v_search.errors import TrainingError
from i2v_search.progress import Progress, Report, silent
from i2v_search.training.checkpoint import STATE, load_checkpoint
from i2v_search.training.datasets.dataset import Targets
from i2v_search.training.datasets.splitting import Split
from i2v_search.training.loop import Loop
from i2v_search.training.networks import TrainingNetwork
from i2v_search.training.optimizers import schedule
from i2v_search.training.position import Position
from i2v_search.training.settings import TrainingSettings

# Dropout follows a layer of this name, as in Illustration2Vec.
NETWORK = Network(
    "tiny",
    8,
    (
        Layer("conv", "conv", ("image",), kernel=3, pads=(1, 1, 1, 1)),
        Layer("relu", "conv6_3_relu", ("conv",)),
        Layer("conv", "tags", ("conv6_3_relu",), kernel=3, pads=(1, 1, 1, 1)),
        Layer("mean", "logits", ("tags",)),
    ),
    ("logits",),
)
SETTINGS = TrainingSettings(epochs=4, batch_size=4, learning_rate=1e-2, weight_decay=0, seed=3)
ROWS, TAGS = 20, 3


class Blobs:
    """Inputs made from the row: channel c is bright where the row has tag c. Satisfies `Samples`."""

    def __init__(self, unreadable: frozenset[int] = frozenset()) -> None:
        self.skipped: dict[int, str] = {}
        self.unreadable = unreadable

    def read(self, row: int, epoch: int | None) -> NDArray[Any] | None:
        if row in self.unreadable:
            self.skipped[row] = "it is damaged"
            return None
        noise = np.random.default_rng((row, 0 if epoch is None else epoch + 1))
        image = noise.normal(0, 0.3, (3, 8, 8)).astype(np.float32)
        return np.asarray(image + positives()[row][:, None, None], np.float32)

    def to_input(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        return batch


def positives() -> NDArray[np.bool_]:
    return np.random.default_rng(0).random((ROWS, TAGS)) < 0.4


def targets(known: NDArray[np.bool_] | None = None) -> Targets:
    return Targets(positives(), np.ones((ROWS, TAGS), bool) if known is None else known)


def network(seed: int = 0) -> TrainingNetwork:
    random = np.random.default_rng(seed)
    shapes = {"conv": (6, 3, 3, 3), "tags": (TAGS, 6, 3, 3)}
    weights = {f"{name}.weight": random.normal(0, 0.2, shape) for name, shape in shapes.items()}
    return TrainingNetwork(NETWORK, weights | {f"{name}.bias": np.zeros(shapes[name][0]) for name in shapes})


def loop(
    folder: Path,
    settings: TrainingSettings = SETTINGS,
    samples: Blobs | None = None,
    wanted: Targets | None = None,
    split: Split | None = None,
    report: Report = silent,
    **choices: Any,
) -> Loop:
    folder.mkdir(parents=True, exist_ok=True)
    return Loop(
        network(),
        samples or Blobs(),
        wanted or targets(),
        split or Split(np.arange(16), np.arange(16, ROWS)),
        settings,
        folder=folder,
        fresh=frozenset({"conv", "tags"}),
        device=Device(name="cpu", threads=1),
        report=report,
        **choices,
    )


def bits(trained: Loop) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in trained.network.weights().items()}


def without_seconds(position: Position) -> list[dict[str, Any]]:
    timed = {"seconds", "images_per_second"}
    return [{key: epoch[key] for key in epoch if key not in timed} for epoch in position.epochs]


def test_it_learns_a_small_set_by_heart(tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=40, learning_rate=3e-2, criterion="loss", patience=0)
    trained = loop(tmp_path, settings, split=Split(np.arange(16), np.arange(16)))
    epochs = trained.run().epochs
    assert epochs[0]["training_loss"] > 0.5
    assert epochs[-1]["training_loss"] < 0.15
    assert epochs[-1]["validation_map"] == 1
    _, probabilities = trained.probabilities(np.arange(16))
    assert ((probabilities > 0.5) == positives()[:16]).all()


def test_sgd_learns_too(tmp_path: Path) -> None:
    settings = replace(SETTINGS, optimizer="sgd", epochs=25, learning_rate=0.3, patience=0)
    assert loop(tmp_path, settings).run().epochs[-1]["training_loss"] < 0.3


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("stops", [(4,), (1, 2, 3), (8, 4), (3, 1, 1, 1)])
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(
    tmp_path: Path, optimizer: Any, stops: tuple[int, ...]
) -> None:
    settings = replace(SETTINGS, optimizer=optimizer, accumulate=1, positive_weight=0.5)
    losses: list[str] = []
    whole = loop(tmp_path / "whole", settings, report=lambda progress: losses.append(progress.note))
    whole.run()
    again: list[str] = []
    for updates in stops:  # four updates are an epoch: some of these stop at its end, some within
        loop(tmp_path / "parts", settings, report=lambda progress: again.append(progress.note)).run(updates)
    resumed = loop(tmp_path / "parts", settings, report=lambda progress: again.append(progress.note))
    assert resumed.position.update == sum(stops)
    resumed.run()
    assert bits(resumed) == bits(whole)
    assert without_seconds(resumed.position) == without_seconds(whole.position)
    assert again == losses


def test_averaged_weights_are_kept_and_resumed(tmp_path: Path) -> None:
    settings = replace(SETTINGS, average=0.9, negative_focus=2.0, patience=0, criterion="loss")
    whole = loop(tmp_path / "whole", settings)
    whole.run()
    broken = loop(tmp_path / "broken", settings)
    broken.run(updates=7)
    resumed = loop(tmp_path / "broken", settings)
    resumed.run()
    assert (bits(resumed), resumed.position.best) == (bits(whole), whole.position.best)
    plain = loop(tmp_path / "plain", replace(settings, average=0.0))
    plain.run()
    assert bits(plain) != bits(whole)


def test_a_checkpoint_holds_the_optimizer_and_no_pickle(tmp_path: Path) -> None:
    trained = loop(tmp_path)
    trained.run(3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000003.safetensors", STATE]
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert set(saved.optimizer) == {
        f"{name}/{slot}" for name in saved.weights for slot in ("exp_avg", "exp_avg_sq", "step")
    }
    assert not np.array_equal(saved.weights["conv.weight"], network().weights()["conv.weight"])
    assert saved.state["update"] == 3
    assert float(np.ravel(saved.optimizer["conv.bias/step"])[0]) == 3


def test_every_update_may_leave_a_checkpoint_and_only_the_last_and_the_best_are_kept(tmp_path: Path) -> None:
    trained = loop(tmp_path, checkpoint_seconds=0)
    trained.run(10)
    kept = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert kept == ["000000010.safetensors", f"best-{trained.position.best_epoch}.safetensors"]


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    loop(tmp_path, identity="a").run(2)
    with pytest.raises(TrainingError, match="unfinished run with other data"):
        loop(tmp_path, identity="b")
    (tmp_path / STATE).write_text("{")
    with pytest.raises(TrainingError, match="cannot be read"):
        loop(tmp_path)
    (tmp_path / STATE).write_text('{"format": 2}')
    with pytest.raises(TrainingError, match="not a checkpoint of this version"):
        loop(tmp_path)
    (tmp_path / STATE).write_text('{"format": 1, "tensors": "../../else.safetensors"}')
    with pytest.raises(TrainingError, match="not a checkpoint of this version"):
        loop(tmp_path)


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    known = np.random.default_rng(5).random((ROWS, TAGS)) < 0.7
    plain = replace(SETTINGS, epochs=1, clip=0, optimizer="sgd", learning_rate=0.1)
    without_dropout = replace(
        NETWORK,
        layers=tuple(
            replace(
                layer,
                name=layer.name.replace("6_3", ""),
                inputs=tuple(name.replace("6_3", "") for name in layer.inputs),
            )
            for layer in NETWORK.layers
        ),
    )
    found = []
    for number, settings in enumerate(
        (replace(plain, batch_size=16), replace(plain, batch_size=4, accumulate=4))
    ):
        trained = loop(tmp_path / str(number), settings, wanted=targets(known))
        trained.network.network = without_dropout
        trained.run()
        found.append(trained.network.weights())
    for name, array in found[0].items():
        np.testing.assert_allclose(found[1][name], array, atol=1e-6)


def test_unknown_tags_change_nothing(tmp_path: Path) -> None:
    known = np.ones((ROWS, TAGS), bool)
    known[:, 1] = False
    trained = []
    for number, value in enumerate((False, True)):
        wanted = targets(known)
        wanted.positive[:, 1] = value
        trained.append(loop(tmp_path / str(number), wanted=wanted))
        trained[-1].run()
    assert bits(trained[0]) == bits(trained[1])
    before, after = network().weights(), trained[0].network.weights()
    assert np.array_equal(before["tags.weight"][1], after["tags.weight"][1])
    assert not np.array_equal(before["tags.weight"][0], after["tags.weight"][0])


def test_it_stops_early_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    wrong = targets()
    wrong.positive[16:] = ~wrong.positive[16:]  # the better it learns, the worse it does on these
    settings = replace(SETTINGS, epochs=50, criterion="loss", patience=3)
    trained = loop(tmp_path, settings, wanted=wrong)
    position = trained.run()
    assert position.finished == "early"
    assert position.best_epoch is not None
    assert len(position.epochs) == position.best_epoch + 3 < 50
    losses = [epoch["validation_loss"] for epoch in position.epochs]
    assert np.argmin(losses) == position.best_epoch - 1
    best = map_tensors(tmp_path / f"best-{position.best_epoch}.safetensors")
    assert {name: array.tobytes() for name, array in best.items()} == bits(trained)
    assert replace(settings, patience=0).patience == 0


def test_patience_0_never_stops(tmp_path: Path) -> None:
    wrong = targets()
    wrong.positive[16:] = ~wrong.positive[16:]
    assert loop(tmp_path, replace(SETTINGS, epochs=12, patience=0), wanted=wrong).run().finished == "epochs"


def test_without_validation_the_last_epoch_is_kept(tmp_path: Path) -> None:
    trained = loop(tmp_path, split=Split(np.arange(ROWS), np.arange(0)))
    position = trained.run()
    assert (position.best_epoch, position.finished) == (4, "epochs")
    assert position.epochs[0]["validation_loss"] is None
    assert position.epochs[0]["validation_map"] is None


def test_unreadable_images_are_left_out_and_remembered(tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=2)
    samples = Blobs(frozenset({2, 5, 17}))
    whole = loop(tmp_path / "whole", settings, samples)
    position = whole.run()
    assert position.epochs[0]["images"] == 14
    assert set(samples.skipped) == {2, 5, 17}
    loop(tmp_path / "parts", settings, Blobs(frozenset({2, 5, 17}))).run(5)
    resumed = loop(tmp_path / "parts", settings, fresh_blobs := Blobs(frozenset({2, 5, 17})))
    assert {2, 5} <= set(fresh_blobs.skipped)
    resumed.run()
    assert bits(resumed) == bits(whole)


def test_a_set_of_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="none of the training images can be read"):
        loop(tmp_path, samples=Blobs(frozenset(range(ROWS)))).run()


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    trained = loop(tmp_path)
    with torch.no_grad():
        trained.network.get_parameter("conv.bias").fill_(torch.nan)
    with pytest.raises(TrainingError, match="the loss is nan at update 1; lower the learning rate"):
        trained.run()


def test_an_interrupt_finishes_the_update_and_leaves_a_checkpoint(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.stage == "training" and progress.done == 40:
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop(tmp_path / "parts", report=interrupt).run()
    assert signal.getsignal(signal.SIGINT) is handler
    resumed, whole = loop(tmp_path / "parts"), loop(tmp_path / "whole")
    assert resumed.position.update == 10
    resumed.run()
    whole.run()
    assert bits(resumed) == bits(whole)


def test_an_interrupt_while_validating_validates_again(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.stage == "validating":
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        loop(tmp_path / "parts", report=interrupt).run()
    resumed, whole = loop(tmp_path / "parts"), loop(tmp_path / "whole")
    assert (resumed.position.update, resumed.position.epochs) == (4, [])
    resumed.run()
    whole.run()
    assert bits(resumed) == bits(whole)


def test_the_callers_random_numbers_and_threads_stay_as_they_were(tmp_path: Path) -> None:
    trained, threads = loop(tmp_path), torch.get_num_threads()
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    trained.run()
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("threads", [1, 3, None])
def test_it_trains_with_the_threads_that_are_asked_for(tmp_path: Path, threads: int | None) -> None:
    seen: set[int] = set()
    before = torch.get_num_threads()
    trained = Loop(
        *(network(), Blobs(), targets(), Split(np.arange(16), np.arange(16, ROWS)), SETTINGS),
        folder=tmp_path,
        device=Device("cpu", threads),
        report=lambda _: seen.add(torch.get_num_threads()),
    )
    torch.set_num_threads(4)
    try:
        trained.run(updates=5)
        assert seen == {threads or os.cpu_count()}
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


def test_given_layers_learn_slower_and_biases_have_no_decay(tmp_path: Path) -> None:
    trained = loop(tmp_path)
    rates = {group["highest"] for group in trained._optimizer.param_groups}
    assert rates == {SETTINGS.learning_rate}
    folder = tmp_path / "given"
    folder.mkdir()
    settings = replace(SETTINGS, weight_decay=0.5)
    split = Split(np.arange(16), np.arange(16, ROWS))
    given = Loop(
        network(),
        Blobs(),
        targets(),
        split,
        settings,
        folder=folder,
        fresh=frozenset({"tags"}),
        device=Device("cpu", 1),
    )
    groups = {
        (round(group["highest"] / settings.learning_rate, 3), group["weight_decay"]): len(group["params"])
        for group in given._optimizer.param_groups
    }
    assert groups == {(1.0, 0.5): 1, (1.0, 0.0): 1, (0.1, 0.5): 1, (0.1, 0.0): 1}


def test_the_learning_rate_rises_and_falls_to_almost_nothing() -> None:
    shares = [schedule(update, 100, 0.1) for update in range(100)]
    assert shares[0] == 0.1
    assert max(shares) == shares[9] == shares[10] == 1
    assert all(np.diff(shares[10:]) < 0)
    assert 0 < shares[-1] < 1e-3
    assert schedule(0, 1, 0) == 1


def test_bfloat16_on_the_cpu_learns_nearly_the_same(tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=12, patience=0)
    folder = tmp_path / "bfloat16"
    folder.mkdir()
    split = Split(np.arange(16), np.arange(16, ROWS))
    device = Device(name="cpu", threads=1, precision="bfloat16")
    rounded = Loop(network(), Blobs(), targets(), split, settings, folder=folder, device=device)
    exact = Loop(network(), Blobs(), targets(), split, settings, folder=tmp_path, device=Device("cpu", 1))
    losses = [trained.run().epochs[-1]["training_loss"] for trained in (rounded, exact)]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_it_trains_on_a_gpu_and_resumes_there(tmp_path: Path, precision: Any) -> None:
    split = Split(np.arange(16), np.arange(16, ROWS))
    settings = replace(SETTINGS, epochs=30, patience=0)
    device = Device(name="cuda", precision=precision)

    def made() -> Loop:
        return Loop(network(), Blobs(), targets(), split, settings, folder=tmp_path, device=device)

    made().run(30)
    assert made().run().epochs[-1]["training_loss"] < 0.35
