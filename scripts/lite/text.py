"""Makes what `lite` knows of words: the table of `i2v_search.encoders.lite_text` and the network behind it.

Learned by contrast (van den Oord, Li and Vinyals, 2018): of many pictures a text must be most like those it
belongs to, in `lite`'s space as it is. The texts are names and tags of drawings, of emoji in some 28
languages. The concepts of the emoji that `lite` never learned from are left out here too, and so are drawings
of the same title: the numbers of the model card come from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from i2v_search.encoders.lite_text import INNER, LiteTextWeights, TextEntries
from i2v_search.progress import Progress, Report, silent
from i2v_search.tags.words import is_unspaced
from scripts.lite.phrases import ENGLISH, Spoken
from scripts.lite.words import FREQUENT, UNSEEN, Words, descend


@dataclass(frozen=True)
class TextRecipe:
    """All that decides about the words, beside the data sets.

    Attributes:
        size: of an entry of the table.
        hidden: units of the hidden layer.
        basis: directions of the vector space that texts are written in.
        entries: of the table.
        parts: how many of them only stand within words.
        steps: updates, the learning rate rising for a tenth of them and then falling to nothing.
        batch: texts of an update.
        pictures: among which each text must find its own.
        temperature: what cosines are divided by.
        learning_rate: AdamW's highest.
        weight_decay: AdamW's.
        dropout: of the units of a text.
        word_dropout: of the words of a longer text.
        english: share of the texts that are English where there are other languages.
        classes: weight of telling the classes of ImageNet apart by their names.
        seed: of all chance.
    """

    size: int = 96
    hidden: int = 1024
    basis: int = 512
    entries: int = 78_000
    parts: int = 4_000
    steps: int = 1200
    batch: int = 256
    pictures: int = 2048
    temperature: float = 0.05
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    dropout: float = 0.1
    word_dropout: float = 0.1
    english: float = 0.4
    classes: float = 0.3
    seed: int = 0


@dataclass(frozen=True)
class Classes:
    """What the trunk was trained to tell apart: names of 1,000 things that few drawings show.

    Attributes:
        names: of each class, several.
        directions: (c, 1280) float32, of the trunk's classifier, less their mean.
    """

    names: Sequence[Sequence[str]]
    directions: NDArray[np.float32]


@dataclass(frozen=True)
class TextMaterial:
    """Pictures with what they are called.

    Attributes:
        vectors: (n, 4096) float32 unit rows, each less the mean of its source.
        concepts: (n,) int64, equal for drawings of the same thing.
        names: of each concept.
        classes: of the trunk.
    """

    vectors: NDArray[np.float32]
    concepts: NDArray[np.int64]
    names: Sequence[Spoken]
    classes: Classes


class TextNetwork(nn.Module):
    """From the sum of the teacher's vectors of words to the space of pictures, in `basis` directions."""

    def __init__(self, recipe: TextRecipe, first: NDArray[np.float32]) -> None:
        super().__init__()
        self.reduce = nn.Linear(first.shape[1], recipe.size, bias=False)
        self.linear = nn.Linear(recipe.size, recipe.basis)
        self.hidden = nn.Linear(recipe.size, recipe.hidden)
        self.output = nn.Linear(recipe.hidden, recipe.basis, bias=False)
        self.dropout = nn.Dropout(recipe.dropout)
        with torch.no_grad():
            self.reduce.weight.copy_(torch.from_numpy(first))
            self.output.weight.zero_()

    def forward(self, sums: Tensor) -> Tensor:
        """(m, t) -> (m, basis) unit rows."""
        scaled = F.normalize(self.reduce(sums), dim=1) * self.linear.in_features**0.5
        scaled = self.dropout(scaled)
        hidden = F.gelu(self.hidden(scaled), approximate="tanh")
        return F.normalize(self.linear(scaled) + self.output(hidden), dim=1)


def learn_text(
    material: TextMaterial, words: Words, recipe: TextRecipe = TextRecipe(), report: Report = silent
) -> tuple[TextNetwork, NDArray[np.float32]]:
    """Learn the network.

    Returns:
        The network, and the (basis, 4096) float32 orthonormal directions it writes in.
    """
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    sample = random.choice(len(material.vectors), min(4000, len(material.vectors)), replace=False)
    basis = np.linalg.svd(material.vectors[sample], full_matrices=False)[2][: recipe.basis]
    pictures = torch.from_numpy(material.vectors @ basis.T)
    table = torch.from_numpy(words.vectors * words.weights[:, None])
    texts, classes = _Texts(material, words, recipe, random), _ClassNames(material.classes, words, basis)
    titles = [title for spoken in texts.spoken for title, _ in spoken.values() if title]
    chosen = random.choice(len(titles), min(6000, len(titles)), replace=False)
    first = np.linalg.svd(_sums(table, [titles[n] for n in chosen]).numpy(), full_matrices=False)[2]
    network = TextNetwork(recipe, first[: recipe.size].copy())
    optimizer = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    rising = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.1
    )
    for step in range(recipe.steps):
        batch = texts.draw()
        found = network(_sums(table, batch.texts))
        scores = found @ pictures[batch.pictures].T / recipe.temperature
        share = torch.from_numpy(batch.belongs)
        loss = -(share * torch.log_softmax(scores, 1)).sum(1).mean()
        own = pictures[batch.pictures[: len(found)]] @ found.T / recipe.temperature
        same = torch.from_numpy(batch.same)
        loss = loss - 0.5 * (same * torch.log_softmax(own, 1)).sum(1).mean()
        numbers, sums = classes.draw(table, random)
        scores = classes.scores(network(sums)) / recipe.temperature
        loss = loss + recipe.classes * F.cross_entropy(scores, numbers)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rising.step()
        report(Progress("learning the words", step + 1, recipe.steps, f"loss {float(loss.detach()):.2f}"))
    return network.eval(), np.ascontiguousarray(basis, np.float32)


@dataclass(frozen=True)
class _Batch:
    """Texts as numbers of words, each with a picture, and more pictures behind; what belongs together as
    shares that sum to 1 for each text."""

    texts: list[list[int]]
    pictures: NDArray[np.int64]
    belongs: NDArray[np.float32]
    same: NDArray[np.float32]


class _Texts:
    """Draws texts for pictures: a name, a name with tags, one tag, several tags; in any language."""

    def __init__(
        self, material: TextMaterial, words: Words, recipe: TextRecipe, random: np.random.Generator
    ) -> None:
        self._material, self._recipe, self._random = material, recipe, random
        self.spoken: list[dict[str, tuple[list[int], list[list[int]]]]] = []
        for names in material.names:
            known = {
                language: (words.of(one.title), [tag for tag in map(words.of, one.tags) if tag])
                for language, one in names.items()
            }
            self.spoken.append({language: pair for language, pair in known.items() if pair[0] or pair[1]})
        self._tags = [{tuple(tag) for _, tags in spoken.values() for tag in tags} for spoken in self.spoken]
        self._usable = np.flatnonzero([bool(self.spoken[n]) for n in material.concepts])

    def draw(self) -> _Batch:
        recipe, concepts = self._recipe, self._material.concepts
        own = self._random.choice(self._usable, min(recipe.batch, len(self._usable)), replace=False)
        more = self._random.choice(len(concepts), min(recipe.pictures, len(concepts)), replace=False)
        pictures = np.concatenate([own, more])
        drawn = [self._text(self.spoken[concept]) for concept in concepts[own]]
        belongs = (concepts[own][:, None] == concepts[pictures]).astype(np.float32)
        for line, (_, tag) in enumerate(drawn):
            if tag is not None:
                has = [tag in self._tags[concept] for concept in concepts[pictures]]
                belongs[line] = np.maximum(belongs[line], np.array(has, np.float32))
        same = (concepts[own][:, None] == concepts[own]).astype(np.float32)
        return _Batch(
            [text for text, _ in drawn],
            pictures,
            belongs / belongs.sum(axis=1, keepdims=True),
            same / same.sum(axis=1, keepdims=True),
        )

    def _text(
        self, spoken: Mapping[str, tuple[list[int], list[list[int]]]]
    ) -> tuple[list[int], tuple[int, ...] | None]:
        """A text, and the tag that it is if it is one."""
        random = self._random
        plain = ENGLISH in spoken and random.random() < self._recipe.english
        title, tags = spoken[ENGLISH if plain else str(random.choice(sorted(spoken)))]
        kind = random.random()
        if title and (kind < _NAMES or not tags):
            text, tag = list(title), None
        elif title and kind < _NAMES_WITH_TAGS:
            text, tag = title + self._some(tags, 1, 2), None
        elif kind < _TAGS:
            one = tags[random.integers(len(tags))]
            text, tag = list(one), tuple(one)
        else:
            text, tag = self._some(tags, 2, 3), None
        if len(text) > 2:
            text = [word for word in text if random.random() >= self._recipe.word_dropout] or text
        return text, tag

    def _some(self, tags: list[list[int]], fewest: int, most: int) -> list[int]:
        count = self._random.integers(fewest, most + 1)
        return [word for n in self._random.permutation(len(tags))[:count] for word in tags[n]]


class _ClassNames:
    """Draws names of classes, and compares texts with the classifier in the statistic that it reads."""

    def __init__(self, classes: Classes, words: Words, basis: NDArray[np.float32]) -> None:
        names = [[text for text in map(words.of, several) if text] for several in classes.names]
        known = np.flatnonzero([bool(several) for several in names])
        self._names = [names[n] for n in known]
        self._within = torch.from_numpy(np.ascontiguousarray(basis[:, : classes.directions.shape[1]]))
        written = torch.from_numpy(classes.directions[known]) @ self._within.T
        self._directions = F.normalize(written @ self._within, dim=1)

    def draw(self, table: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Numbers of classes, and the sums of the words of a name of each."""
        chosen = random.choice(len(self._names), min(_CLASSES, len(self._names)), replace=False)
        texts = [self._names[n][random.integers(len(self._names[n]))] for n in chosen]
        return torch.from_numpy(chosen), _sums(table, texts)

    def scores(self, found: Tensor) -> Tensor:
        """(m, c) cosines."""
        return F.normalize(found @ self._within, dim=1) @ self._directions.T


#: Classes of an update.
_CLASSES = 128
#: Shares of the kinds of texts, one after the other: names, names with tags, single tags; the rest are
#: several tags.
_NAMES, _NAMES_WITH_TAGS, _TAGS = 0.4, 0.65, 0.85


def _sums(table: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
    flat = torch.tensor([word for text in texts for word in text], dtype=torch.long)
    starts = torch.from_numpy(np.cumsum([0, *(len(text) for text in texts)])[:-1])
    return F.embedding_bag(flat, table, starts, mode="sum")


def pack(
    network: TextNetwork,
    basis: NDArray[np.float32],
    words: Words,
    counts: NDArray[np.int64],
    recipe: TextRecipe,
    *,
    encoder_sha256: str,
) -> LiteTextWeights:
    """Reduce the table, choose its entries, and learn parts for the words that are left out.

    Args:
        network: from `learn_text`.
        basis: from there.
        words: with the vectors that the network was learned for.
        counts: (n,) int64, in how many names and tags each word is.
        recipe: sizes of the table.
        encoder_sha256: of the weights of the image encoder.
    """
    reduce = network.reduce.weight.detach().numpy()
    rows = (words.vectors * words.weights[:, None]) @ reduce.T
    parts = _common_parts(words.words, recipe.parts)
    chosen = _chosen(words, counts, recipe.entries - len(parts))
    vectors = _learn_parts(words, rows, chosen, parts)
    entries = [*(words.words[n] for n in chosen), *(INNER + part for part in parts)]
    table, scales = _in_bytes(np.vstack([rows[chosen], vectors]))
    directions, basis_scales = _in_bytes(basis)
    halves = {
        name: value.detach().numpy().astype(np.float16)
        for name, value in (
            ("linear", network.linear.weight),
            ("bias", network.linear.bias),
            ("hidden", network.hidden.weight),
            ("hidden_bias", network.hidden.bias),
            ("output", network.output.weight),
        )
    }
    return LiteTextWeights(
        strings=np.frombuffer("".join(f"{entry}\n" for entry in entries).encode(), np.uint8),
        rows=table,
        scales=scales,
        basis=directions,
        basis_scales=basis_scales,
        encoder=np.frombuffer(bytes.fromhex(encoder_sha256), np.uint8),
        **halves,
    )


def _chosen(words: Words, counts: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """The words to keep, ascending: those that people use of pictures, and the most frequent of all."""
    shares = FREQUENT * (1 / words.weights.astype(np.float64) - 1)
    worth = 2 * np.log2(1 + counts) + np.log10(np.maximum(shares / UNSEEN, 1))
    return np.sort(np.argsort(-worth, kind="stable")[:number])


def _common_parts(words: Sequence[str], number: int) -> list[str]:
    """Letters, and the runs of two to five of them that save the most."""
    counts: Counter[str] = Counter()
    for word in words:
        if not any(map(is_unspaced, word)):
            for length in range(2, 6):
                counts.update(word[start : start + length] for start in range(len(word) - length + 1))
    letters = sorted({letter for word in words for letter in word if not is_unspaced(letter)})
    saved = sorted(counts, key=lambda part: (-(len(part) - 1) * counts[part], part))
    return [*letters, *saved][:number]


def _learn_parts(
    words: Words, rows: NDArray[np.float32], chosen: NDArray[np.int64], parts: Sequence[str]
) -> NDArray[np.float32]:
    """(p, k) float32: what makes the sums over the parts of words near the words themselves, ridge-wise.

    A part that is a word of the table itself counts as that word.
    """
    table = TextEntries([*(words.words[n] for n in chosen), *(INNER + part for part in parts)])
    columns, ends, wanted = [], [0], []
    for number, word in enumerate(words.words):
        entries = list(table.parts_of(word))
        own = [entry - len(chosen) for entry in entries if entry >= len(chosen)]
        if own:
            columns += own
            ends.append(len(columns))
            known = [chosen[entry] for entry in entries if entry < len(chosen)]
            wanted.append(rows[number] - rows[known].sum(axis=0))
    sums = csr_array((np.ones(len(columns), np.float32), columns, ends), shape=(len(wanted), len(parts)))
    return descend(sums, np.array(wanted, np.float32), keep=5.0, rounds=20)


def _in_bytes(rows: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Rows in 8 bits, each with its own scale."""
    scales = (np.abs(rows).max(axis=1) / 127).astype(np.float16)
    safe = np.maximum(scales.astype(np.float32), 1e-7)
    return np.clip(np.rint(rows / safe[:, None]), -127, 127).astype(np.int8), scales
