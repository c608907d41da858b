"""Every tag can be asked for and excluded, whatever it is called."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import make_store, random_vectors
from typer.testing import CliRunner

from i2v_search import Collection
from i2v_search.cli.main import app
from i2v_search.search.filters import Filter
from i2v_search.search.tag_query import TagTerm, parse_tags
from i2v_search.tags.vocabulary import FACES, normalise_tag

WANTED = [
    ("smile", ["smile"]),
    ("Long_Hair , smile,,", ["long hair", "smile"]),
    ('"rough, sketch"', ["rough, sketch"]),
    (r"rough\, sketch", ["rough, sketch"]),
    ('smile, "rough, sketch" ,hat', ["smile", "rough, sketch", "hat"]),
    ("-_-", ["-_-"]),
    (r"\-_-", ["-_-"]),
    ('"-_-"', ["-_-"]),
    ("^_^, >_<, |_|, O_o", ["^_^", ">_<", "|_|", "o_o"]),
    (r"\-flag", ["-flag"]),
    (r"\m/, \||/", ["\\m/", "\\||/"]),
    ('say "hi", there', ['say "hi"', "there"]),
    ('"quoted" word', ['"quoted" word']),
    (r'"a \"b\" c"', ['a "b" c']),
    (r"\"quoted\"", ['"quoted"']),
    ('"', ['"']),
    ("\\", ["\\"]),
    ("", []),
    (" , ,", []),
]
EXCLUDED = [
    ("-smile", ["smile"]),
    ("- smile", ["smile"]),
    ('-"rough, sketch"', ["rough, sketch"]),
    (r"-rough\, sketch", ["rough, sketch"]),
    ('-"-_-"', ["-_-"]),
    (r"-\-_-", ["-_-"]),
    ("--_-", ["-_-"]),
    ("-^_^", ["^_^"]),
    ("-", []),
    ('-""', []),
]


@pytest.mark.parametrize(("text", "names"), WANTED)
def test_tags_that_are_asked_for(text: str, names: list[str]) -> None:
    assert parse_tags(text) == tuple(TagTerm(name) for name in names)


@pytest.mark.parametrize(("text", "names"), EXCLUDED)
def test_tags_that_are_excluded(text: str, names: list[str]) -> None:
    assert parse_tags(text) == tuple(TagTerm(name, excluded=True) for name in names)


def test_each_entry_of_a_list_is_one_tag() -> None:
    terms = parse_tags(["rough, sketch", "-a, b", '"-x"', r"\-y", "-_-", '-"-_-"'])
    assert [term.name for term in terms if not term.excluded] == ["rough, sketch", "-x", "-y", "-_-"]
    assert [term.name for term in terms if term.excluded] == ["a, b", "-_-"]


@given(
    st.lists(
        st.builds(
            TagTerm,
            st.one_of(st.text(',"\\- _^o', min_size=1), st.text(min_size=1), st.sampled_from(sorted(FACES)))
            .map(normalise_tag)
            .filter(bool),
            st.booleans(),
        ),
        unique=True,
    )
)
def test_whatever_a_tag_is_called_it_can_be_written(terms: list[TagTerm]) -> None:
    assert parse_tags(", ".join(map(str, terms))) == tuple(terms)
    assert parse_tags([str(term) for term in terms]) == tuple(terms)


@pytest.mark.parametrize(
    "face", [*sorted(FACES), "^_^", ">_<", "|_|", "||_||", "._.", ";_;", "=_=", "+_-", "<|>_<|>"]
)
def test_faces_keep_their_underscores(face: str) -> None:
    assert normalise_tag(face) == normalise_tag(face.upper()) == face
    assert normalise_tag(face.replace("_", " ")) == face


@pytest.mark.parametrize(
    "name", ["long_hair", "k-on!_(series)", "a_b", "fate/stay_night", "c.c._(code)", "1_2"]
)
def test_other_tags_have_spaces(name: str) -> None:
    assert normalise_tag(name) == name.replace("_", " ")


def test_faces_that_an_earlier_version_stored_are_found(tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(3, 4), tags=[["^ ^"], ["^_^"], ["hat"]])
    for text in ("^_^", '"^ ^"'):
        allowed = Filter(text).allowed(store)
        assert allowed is not None
        assert np.flatnonzero(allowed).tolist() == [0, 1]
    allowed = Filter("-^_^").allowed(store)
    assert allowed is not None
    assert np.flatnonzero(allowed).tolist() == [2]


@pytest.mark.integration
def test_the_command_line_and_python_read_the_same(tmp_path: Path) -> None:
    make_store(tmp_path, random_vectors(3, 4), tags=[["rough, sketch"], ["-_-"], ["-flag", "hat"]])
    art = Collection.open(tmp_path)
    art.index()
    for text, at in (
        ('"rough, sketch"', 0),
        (r"rough\, sketch", 0),
        ("-_-", 1),
        (r"\-flag", 2),
        ('"-flag"', 2),
    ):
        (hit,) = art.search(tags=text).hits
        assert hit.id == at
        done = CliRunner().invoke(app, ["search", "-c", str(tmp_path), "--tags", text, "--json"])
        assert [hit["id"] for hit in json.loads(done.stdout)["hits"]] == [at]
    (hit,) = art.search(tags=["rough, sketch"]).hits
    assert hit.id == 0
    assert art.search(tags='hat, -"-_-"').hits[0].id == 2
