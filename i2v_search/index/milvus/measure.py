"""Recall of a search on a server against exact search, and the settings that follow from it."""

from __future__ import annotations

import time

from i2v_search.index.measuring import MAX_CANDIDATES, Judge, choose_queries
from i2v_search.index.milvus.index import MilvusIndex
from i2v_search.index.milvus.state import Edition
from i2v_search.index.planner import CANDIDATES
from i2v_search.progress import Progress, Report, silent

#: Of a server, fewer queries than of an index in memory: a search is a call.
_QUERIES = 200


def measure(index: MilvusIndex, target: float, report: Report = silent) -> Edition:
    """Choose how many rows to re-rank, and how far the server looks, so that a recall is reached.

    Half of the queries choose, the other half say what was reached; queries are rows of the collection, not
    counted among their own neighbours.

    Args:
        index: over an edition whose rows are all there.
        target: recall@10; where nothing reaches it, the best that was tried is kept.
        report: called with the progress.

    Returns:
        The edition with its settings.
    """
    if len(index.store) <= CANDIDATES:
        return _settled(index, CANDIDATES, index.edition.plan.efforts[-1]).model_copy(
            update={"recall_at_10": 1.0}
        )
    asked = choose_queries(index.store, _QUERIES)
    judge = Judge(index.store, index.similarity, asked, report=report)
    aim = target + (1 - target) / 4
    limit = min(MAX_CANDIDATES, len(index.store))
    candidates, tried = min(CANDIDATES, limit), list[tuple[float, float, int, int]]()
    while not any(recall >= aim for recall, *_ in tried):
        for effort in index.edition.plan.efforts:
            started = time.perf_counter()
            trial = index.with_edition(candidates=candidates, effort=effort)
            recall = float(judge.recall(trial, slice(0, None, 2)).mean())
            tried.append((recall, time.perf_counter() - started, candidates, effort))
            report(Progress("measuring", len(tried), None, f"recall@10 {recall:.3f}"))
            if recall >= aim:
                break
        if candidates >= limit:
            break
        candidates = min(2 * candidates, limit)
    _, _, candidates, effort = max(tried, key=lambda one: (min(one[0], aim), -one[1]))
    reached = index.with_edition(candidates=candidates, effort=effort)
    recall = float(judge.recall(reached, slice(1, None, 2)).mean())
    return _settled(index, candidates, effort).model_copy(update={"recall_at_10": round(recall, 4)})


def _settled(index: MilvusIndex, candidates: int, effort: int) -> Edition:
    return index.edition.model_copy(update={"candidates": candidates, "effort": effort})
