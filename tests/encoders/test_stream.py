"""The stream from items to what a model says of them: order, batches, look-ahead, errors as values."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from i2v_search.encoders.stream import LOOK_AHEAD, MAX_ITEMS, run_batches, skipping
from i2v_search.errors import ImageError
from i2v_search.images.decoding import load_image
from i2v_search.images.sources import Skipped


def even(number: int) -> tuple[int, int | None]:
    return number, 10 * number if number % 2 == 0 else None


def test_every_item_comes_back_in_order_and_rows_belong_to_their_items() -> None:
    batches = list(run_batches(range(103), even, list, 7))
    assert [item for batch in batches for item in batch.items] == list(range(103))
    for batch in batches:
        assert batch.output == [10 * batch.items[place] for place in batch.places]


def test_only_the_last_batch_is_not_full() -> None:
    sizes = [len(batch.places) for batch in run_batches(range(103), even, list, 7)]
    assert sizes == [7] * 7 + [3]


def test_items_without_an_input_are_not_held_back_and_run_no_model() -> None:
    def fail(inputs: list[Any]) -> None:
        raise AssertionError(inputs)

    batches = list(run_batches(range(600), lambda number: (number, None), fail, 7))
    assert [len(batch.items) for batch in batches] == [MAX_ITEMS, MAX_ITEMS, 600 - 2 * MAX_ITEMS]
    assert all(batch.output is None and not batch.places for batch in batches)


def test_no_items_give_no_batch() -> None:
    assert list(run_batches([], even, list, 7)) == []


def test_an_endless_source_is_read_a_bounded_number_ahead_in_the_callers_thread() -> None:
    taken: list[int] = []
    threads: set[int] = set()

    def source() -> Iterator[int]:
        for number in count():
            taken.append(number)
            threads.add(threading.get_ident())
            yield number

    stream = run_batches(source(), lambda number: (number, number), list, 5)
    for batches in range(1, 4):
        next(stream)
        assert len(taken) == 5 * batches + 5 * LOOK_AHEAD
    assert threads == {threading.get_ident()}


def test_preparation_overlaps_the_model() -> None:
    prepared = threading.Semaphore(0)

    def prepare(number: int) -> tuple[int, int]:
        prepared.release()
        return number, number

    def run(inputs: list[int]) -> list[int]:
        # What may be ahead of this batch is prepared before the model gives anything back.
        for _ in range(1 + LOOK_AHEAD):
            assert prepared.acquire(timeout=120)
        return inputs

    assert next(run_batches(range(100), prepare, run, 1)).output == [0]


def test_an_image_that_cannot_be_read_is_a_value_where_it_is_asked_for(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3), "teal").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    paths = [tmp_path / "a.png", tmp_path / "b.png"]

    def prepare(path: Path) -> tuple[str, tuple[int, int]]:
        return path.name, load_image(path, name=path.name).size

    (batch,) = run_batches(paths, skipping(prepare), list, 2)
    assert batch.items == ["a.png", Skipped("b.png", "not an image Pillow can identify")]
    assert (batch.places, batch.output) == ([0], [(4, 3)])
    with pytest.raises(ImageError, match=r"b\.png: not an image"):
        list(run_batches(paths, prepare, list, 2))
