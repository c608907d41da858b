"""Words of a text: against a plain reading of Unicode's categories, and what holds for every text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2v_search.tags.words import is_unspaced, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("A red_Dragon-2", ["a", "red", "dragon", "2"]),
        ("Straße ﬁn Ⅻ", ["strasse", "fin", "xii"]),
        ("हाथ का पंजा", ["हाथ", "का", "पंजा"]),
        ("猫の絵、犬", ["猫の絵", "犬"]),
        ("e\u0301te\u0301", ["été"]),
        ("a\ud800b", ["a", "b"]),
        ("🐉 😍", ["dragon", "smiling", "face", "with", "heart", "shaped", "eyes"]),
    ],
)
def test_words_are_runs_of_letters_marks_and_digits(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.integration
@given(st.text())
def test_words_hold_nothing_else_and_stay_what_they_are(text: str) -> None:
    words = split_words(text)
    assert all(unicodedata.category(letter)[0] in "LMN" for word in words for letter in word)
    assert split_words(" ".join(words)) == words


@pytest.mark.parametrize(("letters", "unspaced"), [("猫ねネแ老", True), ("cжع고α9", False)])
def test_scripts_without_spaces(letters: str, unspaced: bool) -> None:
    assert [is_unspaced(letter) for letter in letters] == [unspaced] * len(letters)
