"""Text towers beside image towers: what each family's export needs, from its files or from an option."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import GraphProto, TensorProto
from onnx_files import add_output, mean_colours
from PIL import Image
from text_towers import END, VOCABULARY, spiece_model, text_tower, token_table, tokenizer_json
from typer.testing import CliRunner

from i2v_search import Collection, TextEncoder, load_encoder, load_tagger
from i2v_search.cli.main import app
from i2v_search.encoders.base import TaggedEncoder, encode_images, encode_texts, text_mean_of
from i2v_search.encoders.importing import import_folder, import_onnx
from i2v_search.encoders.model_card import OnnxDescription, TextDescription
from i2v_search.encoders.model_folder import find_model, installed_models
from i2v_search.encoders.neutral_texts import NEUTRAL_TEXTS
from i2v_search.encoders.text_import import TextSource
from i2v_search.encoders.text_tower import OnnxTowers, TextTower
from i2v_search.encoders.tokenizing import clean_text
from i2v_search.errors import EncoderError, WeightsError

pytestmark = pytest.mark.integration

pytest.importorskip("tokenizers")
VECTOR = OnnxDescription(size=16, output="vector")
INT32, INT64 = TensorProto.INT32, TensorProto.INT64
TABLE = token_table()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of imported models, this test's own."""
    folder = tmp_path / "models"
    monkeypatch.setenv("I2V_SEARCH_MODELS", str(folder))
    return folder


@dataclass(frozen=True)
class Export:
    """How a family's text tower is exported, and what the tokens of "A red Cat." are then.

    Attributes:
        tower: see `text_tower`.
        tokens: special tokens and others, padding left out.
        length: to which they are padded.
        pad: with what.
        takes: what the tower makes of the vectors of the tokens.
        tokenizer: see `tokenizer_json`.
        config: ``tokenizer_config.json``.
        source: what the files do not tell.
    """

    tower: dict[str, Any]
    tokens: str
    length: int
    pad: str
    takes: str
    tokenizer: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] | None = None
    source: dict[str, Any] = field(default_factory=dict)


KEPT, LOWER, CANONICAL = "[UNK] red [UNK] [UNK]", "a red cat [UNK]", "a red cat"
CLIP_MARKS = {"before": "<|startoftext|>", "behind": END}
EXPORTS = {
    "CLIP": Export(
        {"inputs": {"input_ids": INT64}, "outputs": {"last_hidden_state": "all", "text_embeds": "end"}},
        f"<|startoftext|> {LOWER} {END}",
        *(77, END, "end", {**CLIP_MARKS, "normalizer": {"type": "Lowercase"}}),
        {"model_max_length": 77, "pad_token": END},
    ),
    "MobileCLIP, padded by its tokenizer": Export(
        {"inputs": {"input_ids": INT64}, "outputs": {"text_embeds": "end"}},
        f"<|startoftext|> {LOWER} {END}",
        *(77, "<pad>", "end"),
        {
            **CLIP_MARKS,
            "normalizer": {"type": "Lowercase"},
            "padding": {
                "strategy": {"Fixed": 77},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "<pad>",
            },
        },
    ),
    "SigLIP": Export(
        {"inputs": {"input_ids": INT64}, "outputs": {"last_hidden_state": "all", "pooler_output": "last"}},
        f"{CANONICAL} </s>",
        *(9, "</s>", "last", {"behind": "</s>"}),
        {"model_max_length": 9, "pad_token": "</s>", "do_lower_case": True},
        {"case": "canonical"},
    ),
    "SigLIP 2": Export(
        {"inputs": {"input_ids": INT64}, "outputs": {"pooler_output": "last"}, "dtype": TensorProto.FLOAT16},
        f"{LOWER} </s>",
        *(6, "<pad>", "last", {"behind": "</s>"}),
        {"model_max_length": 10**30, "pad_token": {"content": "<pad>"}, "do_lower_case": True},
        {"length": 6},
    ),
    "immich": Export(
        {"inputs": {"text": INT32}, "outputs": {"embedding": "end"}, "shape": (1, 12)},
        f"<|startoftext|> {KEPT} {END}",
        *(12, END, "end", CLIP_MARKS),
        {"pad_token": END},
    ),
    "immich's SigLIP": Export(
        {"inputs": {"text": INT32}, "outputs": {"embedding": "last"}, "shape": (1, 5)},
        f"{CANONICAL} </s>",
        *(5, "<pad>", "last", {"behind": "</s>"}),
        {"pad_token": "<pad>"},
        {"case": "canonical"},
    ),
    "a multilingual CLIP with a mask": Export(
        {
            "inputs": {"input_ids": INT32, "attention_mask": INT32},
            "outputs": {"embedding": "mean"},
        },
        f"[CLS] {KEPT} </s>",
        *(16, "<pad>", "mean", {"before": "[CLS]", "behind": "</s>"}),
        {"max_length": 16, "pad_token": "<pad>"},
    ),
    "Chinese-CLIP": Export(
        {"inputs": {"text": INT64}, "outputs": {"unnorm_text_features": "first"}},
        f"[CLS] {KEPT} </s>",
        *(52, "<pad>", "first", {"before": "[CLS]", "behind": "</s>"}),
        None,
        {"length": 52, "pad": 0},
    ),
    "BERT, its first token": Export(
        {
            "inputs": {"input_ids": INT64, "attention_mask": INT64, "token_type_ids": INT64},
            "outputs": {"last_hidden_state": "all"},
        },
        f"[CLS] {KEPT}",
        *(9, "<pad>", "first", {"before": "[CLS]"}),
        {"model_max_length": 9, "pad_token": "<pad>"},
        {"pooling": "cls"},
    ),
    "BERT, the mean of its tokens": Export(
        {
            "inputs": {"input_ids": INT64, "attention_mask": INT64},
            "outputs": {"last_hidden_state": "all"},
        },
        KEPT,
        *(9, "<pad>", "mean"),
        {},
        {"model_max_length": 9, "pad_token": "<pad>"},
        {"pooling": "mean"},
    ),
}


def vector(ids: Sequence[int], takes: str, padding: Sequence[int] = ()) -> Any:
    """The vector by hand; `padding` are ids that no mask hides."""
    total = TABLE[[*ids, *padding]].sum(axis=0)
    tokens = {"first": ids[:1], "last": [*ids, *padding][-1:], "end": [max(ids)], "mean": ids}
    return TABLE[list(tokens[takes])].mean(axis=0) + total


def expected(export: Export) -> Any:
    ids = [VOCABULARY[token] for token in export.tokens.split()]
    padding = [VOCABULARY[export.pad]] * (export.length - len(ids))
    return vector(ids, export.takes, [] if len(export.tower["inputs"]) > 1 else padding)


def files_of(export: Export, folder: Path) -> TextSource:
    """Write the text tower and its tokenizer as they are published."""
    folder.mkdir(exist_ok=True)
    if export.config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(export.config))
    return TextSource(
        tokenizer=tokenizer_json(folder / "tokenizer.json", **export.tokenizer),
        model=text_tower(folder / "text.onnx", **export.tower),
        **export.source,
    )


def import_towers(tmp_path: Path, source: TextSource, name: str = "clip") -> Any:
    import_onnx(mean_colours(tmp_path / "image.onnx"), name=name, description=VECTOR, text=source)
    return load_encoder(name)


@pytest.mark.parametrize("family", EXPORTS)
def test_the_text_tower_of_each_family_gives_its_vector(tmp_path: Path, family: str) -> None:
    export = EXPORTS[family]
    encoder = import_towers(tmp_path, files_of(export, tmp_path / "text"))
    assert issubclass(type(encoder), TextEncoder)
    tolerance = 2e-3 if export.tower.get("dtype") == TensorProto.FLOAT16 else 1e-6
    texts = ["A red Cat.", "house"]
    found = encode_texts(encoder, texts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], expected(export), rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(encode_texts(encoder, texts[:1]), found[:1])


def test_a_long_text_is_cut_and_keeps_its_last_token(tmp_path: Path) -> None:
    encoder = import_towers(tmp_path, files_of(EXPORTS["immich"], tmp_path / "text"))
    ids = [VOCABULARY[token] for token in ("<|startoftext|>", *["cat"] * 10, END)]
    np.testing.assert_allclose(encode_texts(encoder, ["cat " * 50])[0], vector(ids, "end"), rtol=1e-5)


@pytest.mark.parametrize("text", ["", " \n", "\ud800", "x" * 100_000, "<|endoftext|>"])
def test_any_text_has_a_vector(tmp_path: Path, text: str) -> None:
    encoder = import_towers(tmp_path, files_of(EXPORTS["CLIP"], tmp_path / "text"))
    assert np.isfinite(encode_texts(encoder, [text])).all()


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("keep", "It's a RED_dragon, ÄÖ!"),
        ("lower", "it's a red_dragon, äö!"),
        ("canonical", "its a red dragon äö"),
    ],
)
def test_a_text_is_brought_to_the_case_of_the_tower(case: Any, expected: str) -> None:
    assert clean_text(" It's  a\tRED_dragon, ÄÖ!\n", case) == expected


def test_threads_that_ask_at_once_open_one_text_tower(tmp_path: Path, place: Path) -> None:
    import_towers(tmp_path, files_of(EXPORTS["CLIP"], tmp_path / "text"))
    card = find_model("clip")
    assert card is not None
    assert card.text is not None
    assert card.onnx is not None
    opened: list[TextTower] = []
    folder, text = place / "clip", card.text

    def open_text() -> TextTower:
        opened.append(TextTower(folder / "text.onnx", folder / "tokenizer.json", text))
        return opened[-1]

    model = (card.info(3), folder / "model.onnx", card.onnx)
    encoder = OnnxTowers(*model, open_text=open_text, text_mean=None)
    assert not opened
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: encoder.encode_text(["a red cat"]), range(16)))
    assert len(opened) == 1
    assert all(np.array_equal(found[0], other) for other in found)


# --- Japanese CLIP: SentencePiece, inputs without names

PIECES = [
    *(("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), ("[PAD]", 0.0, 3), ("[CLS]", 0.0, 3)),
    *(("▁", -2.0, 1), ("▁猫", -4.0, 1), ("猫", -5.0, 1), ("の", -3.0, 1), ("絵", -5.0, 1), ("の絵", -7.0, 1)),
    *(("▁cat", -4.0, 1), ("s", -6.0, 1)),
]


def test_the_tower_of_a_japanese_clip_is_imported_with_its_sentencepiece_model(tmp_path: Path) -> None:
    """Its tokens: ▁猫 の絵 costs 11, ▁猫 の 絵 12, ▁ 猫 の絵 14."""
    inputs = {"input0": INT64, "input1": INT64, "input2": INT64}
    source = TextSource(
        tokenizer=spiece_model(tmp_path / "spiece.model", PIECES, model_type=1, unk_id=0),
        model=text_tower(tmp_path / "text.onnx", inputs=inputs, outputs={"output": "mean"}),
        length=77,
        case="lower",
        language="ja",
    )
    with pytest.raises(EncoderError, match="needs the inputs input0, input1, input2; say what they hold"):
        import_towers(tmp_path, source)
    named = {"ids": "input0", "mask": "input1", "positions": "input2"}
    encoder = import_towers(tmp_path, TextSource(**{**vars(source), "inputs": named}))
    for text, ids in (("猫の絵", (4, 6, 10)), ("Cats", (4, 11, 12)), ("猫☃", (4, 6, 0))):
        places = np.arange(len(ids))
        by_hand = vector(ids, "mean") + places.mean() + places.sum()
        np.testing.assert_allclose(encode_texts(encoder, [text])[0], by_hand, rtol=1e-5)


def test_a_sentencepiece_model_of_another_kind_is_told_what_to_give(tmp_path: Path) -> None:
    tower = text_tower(tmp_path / "text.onnx", inputs={"ids": INT64}, outputs={"output": "first"})
    for model, error, message in (
        (
            spiece_model(tmp_path / "bpe.model", PIECES, model_type=2),
            EncoderError,
            "not a unigram.*tokenizer.json",
        ),
        (
            spiece_model(tmp_path / "none.model", [], model_type=1),
            EncoderError,
            "not a unigram.*tokenizer.json",
        ),
        (tmp_path / "text.onnx", EncoderError, "is not a tokenizer.json"),
    ):
        with pytest.raises(error, match=message):
            import_towers(tmp_path, TextSource(tokenizer=model, model=tower, length=9, pad=0))
    damaged = tmp_path / "damaged.model"
    damaged.write_bytes(spiece_model(tmp_path / "whole.model", PIECES).read_bytes()[:50])
    with pytest.raises(WeightsError, match="damaged at byte"):
        import_towers(tmp_path, TextSource(tokenizer=damaged, model=tower, length=9, pad=0))
    assert installed_models() == []


# --- one file with both towers


def with_tower(graph: GraphProto) -> None:
    """Put a text tower with two inputs before the image, and an output that needs all three."""
    file = Path(os.environ["I2V_SEARCH_MODELS"]).with_name("part.onnx")
    text_tower(
        file,
        inputs={"input_ids": INT64, "attention_mask": INT64},
        outputs={"text_embeds": "mean"},
    )
    part = onnx.load(file).graph
    pixels = graph.input.pop()
    graph.input.extend([*part.input, pixels])
    graph.node.extend(part.node)
    graph.initializer.extend(part.initializer)
    graph.output.extend(part.output)
    graph.node.append(onnx.helper.make_node("Mul", ["vector", "text_embeds"], ["logits_per_image"]))
    add_output(graph, "logits_per_image", ["n", 3])


@pytest.mark.parametrize("weights", ["inside", "in a file of their own"])
def test_a_model_with_three_inputs_becomes_two_towers(tmp_path: Path, place: Path, weights: str) -> None:
    file = mean_colours(tmp_path / "model.onnx", change=with_tower)
    if weights != "inside":
        onnx.save(onnx.load(file), file, save_as_external_data=True, location="model.data", size_threshold=99)
    source = TextSource(tokenizer=tokenizer_json(tmp_path / "tokenizer.json"), length=8, pad=0)
    import_onnx(file, name="both", description=VECTOR, text=source)
    encoder = load_encoder("both")
    words = [VOCABULARY[word] for word in ("a", "red", "house")]
    np.testing.assert_allclose(encode_texts(encoder, ["a red house"])[0], vector(words, "mean"), rtol=1e-5)
    image = encode_images(encoder, [Image.new("RGB", (20, 20), (10, 100, 250))]).vectors
    np.testing.assert_allclose(image, [[10, 100, 250]], rtol=1e-5)
    files = {"tokenizer.json", "text.onnx", *["text.onnx.data"] * (weights != "inside")}
    assert find_model("both").files.keys() == files  # type: ignore[union-attr]
    for name, inputs in (("model.onnx", ["pixels"]), ("text.onnx", ["input_ids", "attention_mask"])):
        kept = onnx.load(place / "both" / name)
        onnx.checker.check_model(kept)
        assert [entry.name for entry in kept.graph.input] == inputs


# --- what both share: the gap between the towers


def test_the_mean_of_neutral_texts_comes_with_the_model(tmp_path: Path) -> None:
    source = files_of(EXPORTS["CLIP"], tmp_path / "text")
    for name, language in (("english", "en"), ("japanese", "ja")):
        encoder = import_towers(tmp_path, TextSource(**{**vars(source), "language": language}), name)
        vectors = encode_texts(encoder, NEUTRAL_TEXTS[language])
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        for model in (encoder, TaggedEncoder(encoder, load_tagger("lite"))):
            mean: Any = text_mean_of(model)
            np.testing.assert_allclose(mean, unit.mean(axis=0), rtol=1e-5)


def test_subtracting_each_towers_own_mean_finds_what_the_gap_hides() -> None:
    """Two towers with a wide gap, as CLIP has: each adds its own constant to what both see."""
    generator = np.random.default_rng(0)
    concepts = generator.normal(size=(200, 64))
    image_gap, text_gap = 30 * generator.normal(size=(2, 64))

    def unit(rows: Any) -> Any:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    images = unit(concepts + 0.5 * generator.normal(size=concepts.shape) + image_gap)
    texts = unit(concepts + 0.5 * generator.normal(size=concepts.shape) + text_gap)
    neutral = unit(generator.normal(size=(48, 64)) + text_gap).mean(axis=0)

    def found(mean: Any) -> float:
        scores = unit(texts - mean) @ unit(images - images.mean(axis=0)).T
        return float((scores.argmax(axis=1) == np.arange(len(texts))).mean())

    assert found(images.mean(axis=0)) < 0.1
    assert found(neutral) > 0.9


def test_the_neutral_texts_of_each_language_say_the_same_number_of_things() -> None:
    assert {len(texts) for texts in NEUTRAL_TEXTS.values()} == {48}
    for texts in NEUTRAL_TEXTS.values():
        assert len(set(texts)) == len(texts)


# --- what is refused


def source_of(tmp_path: Path, **changes: Any) -> TextSource:
    source = files_of(EXPORTS["CLIP"], tmp_path / "text")
    return TextSource(**{**vars(source), **changes})


def test_towers_of_different_models_are_refused(tmp_path: Path) -> None:
    other = text_tower(
        tmp_path / "other.onnx", inputs={"input_ids": INT64}, outputs={"text_embeds": "end"}, dimension=4
    )
    with pytest.raises(EncoderError, match="a text's vector has 4 numbers, an image's 3; the towers are of"):
        import_towers(tmp_path, source_of(tmp_path, model=other))
    assert installed_models() == []


def test_a_tower_that_gives_one_vector_for_all_texts_is_refused(tmp_path: Path) -> None:
    same = text_tower(tmp_path / "same.onnx", inputs={"input_ids": INT64}, outputs={"text_embeds": "same"})
    with pytest.raises(EncoderError, match="one vector for different texts; check the tokenizer"):
        import_towers(tmp_path, source_of(tmp_path, model=same))


@pytest.mark.parametrize(
    ("tower", "message"),
    [
        (
            {"inputs": {"input_ids": TensorProto.FLOAT}},
            r"'input_ids' is a tensor\(float\); expected int32 or",
        ),
        ({"outputs": {"one": "end", "two": "all"}}, "name the vector output .* --text-output: one, two"),
        ({"outputs": {"text_embeds": "all"}}, "a text's vector has 231 numbers, an image's 3"),
    ],
)
def test_a_tower_that_is_no_text_tower_is_refused(
    tmp_path: Path, tower: dict[str, Any], message: str
) -> None:
    usual: dict[str, Any] = {"inputs": {"input_ids": INT64}, "outputs": {"text_embeds": "end"}}
    model = text_tower(tmp_path / "other.onnx", **{**usual, **tower})
    with pytest.raises(EncoderError, match=message):
        import_towers(tmp_path, source_of(tmp_path, model=model))
    assert installed_models() == []


@pytest.mark.parametrize(
    ("config", "changes", "message"),
    [
        ({"pad_token": END}, {}, "do not tell the length .* --text-length 77"),
        (
            {"model_max_length": 9},
            {},
            "do not tell the padding token; put tokenizer_config.json .*--text-pad",
        ),
        ({"model_max_length": 9, "pad_token": "gone"}, {}, "do not tell the padding token"),
        ([], {"length": 9}, "do not tell the padding token"),
        ({"pad_token": END}, {"length": 1}, "text tower: length: Input should be greater than or equal to 2"),
        ({"pad_token": END}, {"length": 9, "output": "gone"}, "no output 'gone'; available: last_hidden"),
        (
            {"pad_token": END},
            {"length": 9, "inputs": {"ids": "gone"}},
            "needs the inputs input_ids; say what they hold",
        ),
        ({"pad_token": END}, {"length": 9, "inputs": {"mask": "input_ids"}}, "say what they hold"),
    ],
)
def test_what_the_files_do_not_tell_is_asked_for(
    tmp_path: Path, config: Any, changes: dict[str, Any], message: str
) -> None:
    source = source_of(tmp_path, **changes)
    (tmp_path / "text" / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(EncoderError, match=message):
        import_towers(tmp_path, source)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"type": "WordLevel", "vocab": {END: 12}, "unk_token": "?"}}, "cannot encode this text"),
        ({"model": {"type": "Unknown"}}, "is not a tokenizer.json of this model"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}, "is not a tokenizer.json"),
        (
            {"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}]}},
            "is not a tokenizer.json",
        ),
    ],
)
def test_a_tokenizer_that_fails_is_an_error_of_this_program(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    """Some of these make the library's Rust code panic, which raises no `Exception`."""
    source = source_of(tmp_path)
    document = json.loads(source.tokenizer.read_text())
    source.tokenizer.write_text(json.dumps({**document, **change}))
    with pytest.raises(EncoderError, match=message):
        import_towers(tmp_path, source)
    assert installed_models() == []


def test_without_the_package_an_image_is_still_a_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = import_towers(tmp_path, source_of(tmp_path))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert encode_images(encoder, [Image.new("RGB", (20, 20))]).vectors.shape == (1, 3)
    for ask in (
        lambda: encode_texts(encoder, ["a cat"]),
        lambda: import_towers(tmp_path, source_of(tmp_path), "two"),
    ):
        with pytest.raises(EncoderError, match=r"text needs tokenizers: pip install 'i2v-search\[text\]'"):
            ask()


@pytest.mark.parametrize("name", ["text.onnx", "tokenizer.json"])
def test_a_changed_text_tower_is_refused_when_a_text_comes(tmp_path: Path, place: Path, name: str) -> None:
    encoder = import_towers(tmp_path, source_of(tmp_path))
    file = place / "clip" / name
    file.write_bytes(file.read_bytes() + b" ")
    assert encode_images(encoder, [Image.new("RGB", (20, 20))]).vectors.shape == (1, 3)
    with pytest.raises(EncoderError, match=f"{name} differs from its checksum; run: .* models remove clip"):
        encode_texts(encoder, ["a cat"])
    done = CliRunner().invoke(app, ["models", "info", "clip"])
    assert f"{name} differs from its checksum" in str(done.exception)


# --- the folder, and the command


def test_a_copied_folder_keeps_its_text_tower(tmp_path: Path, place: Path) -> None:
    first = import_towers(tmp_path, source_of(tmp_path))
    import_folder(place / "clip", name="copy")
    second = load_encoder("copy")
    np.testing.assert_array_equal(encode_texts(first, ["a cat"]), encode_texts(second, ["a cat"]))
    assert text_mean_of(second) is not None


def test_a_collection_is_built_without_loading_the_text_tower(tmp_path: Path, place: Path) -> None:
    import_towers(tmp_path, source_of(tmp_path))
    (place / "clip" / "text.onnx").unlink()
    Image.new("RGB", (20, 20), "red").save(tmp_path / "red.png")
    assert len(Collection.build(tmp_path / "c", [tmp_path / "red.png"], encoder="clip")) == 1


def run(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def test_one_command_imports_both_towers(tmp_path: Path) -> None:
    image, source = mean_colours(tmp_path / "image.onnx"), source_of(tmp_path)
    assert source.model is not None
    shown = run(
        *("models", "import", image, "--name", "clip", "--input-size", "16", "--output", "vector"),
        *("--text", source.model, "--tokenizer", source.tokenizer, "--text-inputs", "ids=input_ids"),
        *("--text-length", "20", "--text-pad", "0", "--text-case", "lower", "--language", "zh"),
    )
    assert "3-d vectors, vectors of text" in shown
    assert "yes" in run("models", "list")
    card = find_model("clip")
    assert card is not None
    assert card.text == TextDescription(
        inputs={"ids": "input_ids"}, output="text_embeds", length=20, pad=0, case="lower", language="zh"
    )
    assert json.loads(run("models", "info", "clip", "--json"))["text"]["length"] == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--text", "t.onnx"), "--text needs the tokenizer of the model"),
        (("--tokenizer", "t.json", "--text-inputs", "ids"), "--text-inputs takes ids=NAME"),
        (("--tokenizer", "t.json", "--text-inputs", "ids=a,words=b"), "--text-inputs takes ids=NAME"),
    ],
)
def test_options_that_make_no_text_tower_are_refused(
    tmp_path: Path, options: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    image = mean_colours(tmp_path / "image.onnx")
    arguments = ["models", "import", str(image), "--name", "m", "--input-size", "16", "--output", "vector"]
    found = CliRunner().invoke(app, [*arguments, *options])
    assert found.exit_code == 2
    assert message in found.stderr
