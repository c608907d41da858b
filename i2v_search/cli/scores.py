"""Tables of an evaluation: one set after the other, the encoders side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from i2v_search.cli.show import out, skipped

if TYPE_CHECKING:
    from i2v_search.training.evaluation.evaluation import Evaluation, SetEvaluation
    from i2v_search.training.evaluation.intervals import Estimate
    from i2v_search.training.evaluation.measures import Difference, Measures
    from i2v_search.training.evaluation.report_changes import ReportChange


def evaluation(found: Evaluation) -> None:
    """Print every set; brackets hold 95 % intervals."""
    for one in found.sets:
        pictures = len(one.measures[0].encoded.rows)
        out.section(f"{escape(one.dataset.name)}: {pictures:,} pictures, {found.similarity} similarity")
        for table in (_ranking(one), _tags(one), _recall(one)):
            if table.row_count:
                out.print(table)
        for measures in one.measures:
            for part, reason in measures.left_out.items():
                out.print(f"[dim]{escape(measures.encoder)}, no {part}: {escape(reason)}[/dim]")
        skipped((*one.dataset.skipped, *one.measures[0].encoded.skipped))


def changes(found: Sequence[ReportChange]) -> None:
    """Print what changed between two reports, set by set; in colour what lies apart."""
    for (name, (old, new)), group in groupby(found, lambda change: (change.data_set, change.encoders)):
        out.section(escape(name))
        table = Table("", box=None, header_style="bold")
        for heading in (escape(old), escape(new), "change"):
            table.add_column(heading, justify="right")
        for change in group:
            colour = (
                "dim" if not change.apart else "green" if change.after.value > change.before.value else "red"
            )
            moved = f"[{colour}]{change.after.value - change.before.value:+.3f}[/{colour}]"
            table.add_row(escape(change.measure), _estimate(change.before), _estimate(change.after), moved)
        out.print(table)
    apart = sum(change.apart for change in found)
    out.print(f"[dim]{apart} of {len(found)} measures changed by more than their intervals of 95 %[/dim]")


def _ranking(found: SetEvaluation) -> Table:
    """Retrieval and copies, one line per number."""
    columns = [dict(_estimates(measures)) for measures in found.measures]
    differences = {difference.measure: difference for difference in found.differences}
    table = Table("", box=None, header_style="bold")
    for measures in found.measures:
        table.add_column(escape(measures.encoder), justify="right")
    if differences:
        table.add_column("difference", justify="right")
        table.add_column("gain", justify="right")
    for name in dict.fromkeys(name for column in columns for name in column):
        cells = [_estimate(column[name]) if name in column else "-" for column in columns]
        table.add_row(name, *cells, *(_difference(differences.get(name)) if differences else ()))
    return table


def _estimates(measures: Measures) -> Iterator[tuple[str, Estimate]]:
    if measures.retrieval is not None:
        yield "P@1", measures.retrieval.precision_at_1
        yield "P@10", measures.retrieval.precision_at_10
        yield "mAP", measures.retrieval.mean_average_precision
    if measures.shared is not None:
        yield "nDCG@10", measures.shared.ndcg_at_10
    if measures.copies is not None:
        for edit, estimate in measures.copies.edits.items():
            yield f"copies: {edit}", estimate
        yield "copies: mean", measures.copies.mean


def _tags(found: SetEvaluation) -> Table:
    """Mean average precision by category, in percent as in Illustration2Vec's table."""
    table = Table("tags", box=None, header_style="bold")
    for heading in ("encoder", "mAP % over images", "over tags", "tags"):
        table.add_column(heading, justify="right")
    for measures in found.measures:
        if measures.tags is None:
            continue
        if len(table.columns) == 5:
            table.add_column(f"AP > {measures.tags.threshold}", justify="right")
        for score in measures.tags.categories:
            table.add_row(
                escape(score.category),
                escape(measures.encoder),
                _percent(score.over_images),
                _bracket(score.over_tags.low * 100, score.over_tags.high * 100, ".1f"),
                str(score.tags),
                str(score.good),
            )
    for difference in found.differences:
        if difference.measure.startswith("tags: "):
            table.add_row(escape(difference.measure[6:]), "difference", _percent(difference.difference))
    return table


def _recall(found: SetEvaluation) -> Table:
    """Recall@10 of every index; encoders of different dimensions have different indexes."""
    table = Table("index", box=None, header_style="bold")
    for heading in ("encoder", "re-ranked", "bytes a row", "recall@10"):
        table.add_column(heading, justify="right")
    for measures in found.measures:
        for index in measures.recall:
            facts = str(index.candidates), str(index.bytes_per_row), _estimate(index.recall)
            table.add_row(escape(index.index), escape(measures.encoder), *facts)
    return table


def _difference(difference: Difference | None) -> tuple[str, str]:
    if difference is None:
        return "", ""
    value, gain = difference.difference, difference.gain
    colour = "green" if value.low > 0 else "red" if value.high < 0 else "dim"
    shown = f"[{colour}]{value.value:+.3f} {_bracket(value.low, value.high, '+.3f')}[/{colour}]"
    return shown, "" if gain is None else f"{gain.value:+.1%} {_bracket(gain.low, gain.high, '+.1%')}"


def _estimate(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} {_bracket(estimate.low, estimate.high, '.3f')}"


def _percent(estimate: Estimate) -> str:
    low, high = estimate.low * 100, estimate.high * 100
    return f"{estimate.value * 100:.1f} {_bracket(low, high, '.1f')}"


def _bracket(low: float, high: float, form: str) -> str:
    """An interval; rich would read a bare bracket as markup."""
    return rf"\[{low:{form}}, {high:{form}}]"
