"""What changed from one report of an evaluation to another."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from i2v_search.errors import QueryError
from i2v_search.escapes import JsonReady
from i2v_search.files import read_regular
from i2v_search.training.evaluation.intervals import Estimate

_NUMBERS: Final = ("value", "low", "high")
#: What names the entries of a list.
_NAMES: Final = ("category", "index", "encoder")


@dataclass(frozen=True)
class ReportChange(JsonReady):
    """One measure in two reports.

    Attributes:
        data_set: name of the data set.
        encoders: of the first report and of the second.
        measure: its place in a report: ``"retrieval precision_at_1"``.
        before: what the first report says.
        after: what the second says.
    """

    data_set: str
    encoders: tuple[str, str]
    measure: str
    before: Estimate
    after: Estimate

    @property
    def apart(self) -> bool:
        """Whether the intervals do not overlap: a larger change than either report leaves open."""
        return self.before.high < self.after.low or self.after.high < self.before.low

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values, and whether the intervals are apart."""
        return {**super().to_dict(), "apart": self.apart}


def report_changes(before: Path, after: Path) -> list[ReportChange]:
    """Compare two reports that ``evaluate --out`` has written.

    Measures of the same set and encoder are compared; if a set was measured with one encoder in each report,
    these two. Nothing is paired: `Evaluation` itself compares two encoders more sharply.

    Args:
        before: a report.
        after: another.

    Returns:
        Every measure that both have, in the order of the second.

    Raises:
        QueryError: a file is no such report, or they have no measure in common.
    """
    first, second = _sets(before), _sets(after)
    found = []
    for name, encoders in second.items():
        others = first.get(name, {})
        alone = len(encoders) == len(others) == 1
        for encoder, measures in encoders.items():
            other = next(iter(others)) if alone else encoder
            values = others.get(other, {})
            found += [
                ReportChange(name, (other, encoder), measure, values[measure], estimate)
                for measure, estimate in measures.items()
                if measure in values
            ]
    if not found:
        raise QueryError(f"{before} and {after} have no set with the same name and measures")
    return found


def _sets(path: Path) -> dict[str, dict[str, dict[str, Estimate]]]:
    """The measures of a report by set and encoder."""
    try:
        document = json.loads(read_regular(path))
        return {
            one["name"]: {measures["encoder"]: dict(_estimates(measures)) for measures in one["measures"]}
            for one in document["sets"]
        }
    except OSError as error:
        raise QueryError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise QueryError(f"{path} is no report of an evaluation; evaluate --out writes them") from error


def _estimates(value: object, place: tuple[str, ...] = ()) -> Iterator[tuple[str, Estimate]]:
    """Every estimate of a report, by its place."""
    if isinstance(value, list):
        for entry in value:
            names = [str(entry[name]) for name in _NAMES if name in entry] if isinstance(entry, dict) else []
            if names:
                yield from _estimates(entry, (*place, *names))
    elif isinstance(value, dict) and value.keys() == {*_NUMBERS, "count"}:
        count = int(value["count"])
        value, low, high = (math.nan if value[name] is None else float(value[name]) for name in _NUMBERS)
        yield " ".join(place), Estimate(value, low, high, count)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _estimates(inner, (*place, str(name)))
