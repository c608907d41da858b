"""What `lite` knows of words: the table, the network against a plain one, languages, damage."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.encoders.base import TextEncoder, encode_texts, text_mean_of
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_head import DIMENSION, model_folder
from i2v_search.encoders.lite_text import INNER, TEXT, LiteText, LiteTextWeights, TextEntries
from i2v_search.encoders.tensors import map_tensors, write_tensors
from i2v_search.errors import EncoderError
from i2v_search.files import file_sha256

#: Torch takes two seconds to import.
pytestmark = pytest.mark.integration

WORDS = ["dragon", "red", "fruit", "猫", "の", "絵", INNER + "s", INNER + "dra", INNER + "n", "go", "gon"]


def entries(text: str) -> list[str]:
    return [WORDS[number] for number in TextEntries(WORDS).of(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Red DRAGON", ["red", "dragon"]),
        ("dragons", ["dragon", INNER + "s"]),
        ("dragonfruit", ["dragon", "fruit"]),
        ("猫の絵", ["猫", "の", "絵"]),
        ("draxn", [INNER + "dra", INNER + "n"]),
        ("gons", [INNER + "n", INNER + "s"]),  # a word of three letters is no part of others
        ("go gon", ["go", "gon"]),
        ("???", []),
        ("", []),
    ],
)
def test_texts_are_cut_into_words_and_their_longest_parts(text: str, found: list[str]) -> None:
    assert entries(text) == found


@given(st.text(alphabet="drago ns猫絵x"))
def test_entries_stand_in_the_text_in_order(text: str) -> None:
    place = 0
    for entry in entries(text):
        place = text.index(entry.removeprefix(INNER), place) + len(entry.removeprefix(INNER))


def small_weights(random: np.random.Generator) -> LiteTextWeights:
    def half(*shape: int) -> NDArray[np.float16]:
        return random.normal(size=shape).astype(np.float16)

    return LiteTextWeights(
        strings=np.frombuffer("".join(f"{word}\n" for word in WORDS).encode(), np.uint8),
        rows=random.integers(-127, 128, (len(WORDS), 8)).astype(np.int8),
        scales=np.abs(half(len(WORDS))),
        linear=half(6, 8),
        bias=half(6),
        hidden=half(16, 8),
        hidden_bias=half(16),
        output=half(6, 16),
        basis=random.integers(-127, 128, (6, DIMENSION)).astype(np.int8),
        basis_scales=np.abs(half(6)),
        encoder=np.zeros(32, np.uint8),
    )


def test_the_network_computes_what_torch_does() -> None:
    weights = small_weights(np.random.default_rng(0))

    def floats(name: str) -> torch.Tensor:
        return torch.from_numpy(getattr(weights, name).astype(np.float64))

    total = torch.from_numpy((weights.rows * weights.scales[:, None].astype(np.float64))[[1, 0]].sum(axis=0))
    scaled = torch.nn.functional.normalize(total, dim=0) * 8**0.5
    hidden = torch.nn.functional.gelu(floats("hidden") @ scaled + floats("hidden_bias"), approximate="tanh")
    output = floats("linear") @ scaled + floats("bias") + floats("output") @ hidden
    expected = torch.nn.functional.normalize((output * floats("basis_scales")) @ floats("basis"), dim=0)
    found = LiteText(weights).encode_text(["red dragon"])
    assert found.dtype == np.float32
    assert np.allclose(found[0], expected.numpy(), atol=1e-5)


def test_texts_do_not_depend_on_their_batch_and_unknown_ones_are_zeros() -> None:
    text = LiteText(small_weights(np.random.default_rng(1)))
    together = text.encode_text(["red", "???", "dragon fruit"])
    assert np.allclose(together[2], text.encode_text(["dragon fruit"])[0], atol=1e-6)
    assert np.allclose(np.linalg.norm(together, axis=1), [1, 0, 1], atol=1e-5)
    assert not together[1].any()
    assert not text.encode_text(["drans"]).any()  # short parts alone mean nothing
    assert text.encode_text(["dragons"]).any()
    assert text.encode_text([]).shape == (0, DIMENSION)


@pytest.fixture(scope="module")
def text() -> LiteText:
    return LiteText.load()


@pytest.mark.integration
def test_the_encoder_answers_words_and_shares_them_with_all_who_ask(text: LiteText) -> None:
    encoder = LiteEncoder()
    assert isinstance(encoder, TextEncoder)
    assert LiteText.load() is text
    assert np.array_equal(encode_texts(encoder, ["a dog"]), text.encode_text(["a dog"]))
    mean = text_mean_of(encoder)
    assert mean is not None
    assert not mean.any()


def test_the_package_holds_the_words_of_its_own_encoder(text: LiteText) -> None:
    assert isinstance(text, TextEncoder)
    assert text.encoder_sha256 == file_sha256(model_folder() / "weights.safetensors")
    assert not text.text_mean.any()
    assert (model_folder() / TEXT).stat().st_size <= 12_000_000


@pytest.mark.parametrize(
    ("words", "others"),
    [
        (["dog", "Hund", "chien", "perro", "犬", "собака", "pies", "cane", "hund"], ["chair", "castle"]),
        (["flower", "Blume", "fleur", "花", "цветок", "fiore", "kukka", "virág"], ["car", "sword"]),
        (["a red dragon", "dragons", "Drache", "竜", "дракон"], ["cup of coffee", "house"]),
    ],
)
def test_a_thing_means_the_same_in_many_languages(
    words: Sequence[str], others: Sequence[str], text: LiteText
) -> None:
    first, *same = text.meanings(words)
    other = text.meanings(others)
    assert min(float(first @ one) for one in same) > max(float(first @ one) for one in other)


def test_a_file_of_words_that_is_damaged_or_missing_says_so(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="texts of 'lite' cannot be loaded"):
        LiteText.load(tmp_path)
    arrays = dict(map_tensors(model_folder() / TEXT))
    write_tensors(tmp_path / TEXT, {**arrays, "text.bias": arrays["text.bias"][:-1]}, {})
    with pytest.raises(EncoderError, match=r"'text\.bias' is \(\d+,\); expected"):
        LiteText.load(tmp_path)
    del arrays["text.rows"]
    write_tensors(tmp_path / TEXT, arrays, {})
    with pytest.raises(EncoderError, match=r"no 'text\.rows'"):
        LiteText.load(tmp_path)
    shutil.copy(model_folder() / TEXT, tmp_path / TEXT)
    with (tmp_path / TEXT).open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(EncoderError, match="reinstall"):
        LiteText.load(tmp_path)
