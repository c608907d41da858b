"""Every test is of one kind, so that `make quick` and `-m` leave out what they say and nothing else."""

import pytest

from conftest import KINDS


def test_every_test_has_the_mark_of_one_kind(request: pytest.FixtureRequest) -> None:
    marks = {item.nodeid: {mark.name for mark in item.iter_markers()} for item in request.session.items}
    assert {name: found for name, found in marks.items() if len(found.intersection(KINDS)) != 1} == {}
