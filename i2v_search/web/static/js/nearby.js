// Finds points by place without looking at all of them: a grid of cells, each with the points in it.

import { bounds, intoCells } from "./cells.js";

const PER_CELL = 4; // points on average

/** An index of points; `xs` and `ys` are arrays of numbers of the same length. */
export function nearby(xs, ys) {
  const count = xs.length, { left, top, right, bottom } = bounds(xs, ys);
  const cell = Math.sqrt((Math.max(right - left, 1e-9) * Math.max(bottom - top, 1e-9) * PER_CELL) / Math.max(1, count)) || 1;
  const across = Math.min(4096, Math.floor((right - left) / cell) + 1) || 1, down = Math.min(4096, Math.floor((bottom - top) / cell) + 1) || 1;
  const column = (x) => Math.min(across - 1, Math.max(0, Math.floor((x - left) / cell)));
  const row = (y) => Math.min(down - 1, Math.max(0, Math.floor((y - top) / cell)));
  const { starts, order } = intoCells(count, across * down, (at) => row(ys[at]) * across + column(xs[at]));

  /** Call `visit` with each point in a rectangle, in no particular order. */
  function within(x1, y1, x2, y2, visit) {
    if (!count || x2 < left || x1 > right || y2 < top || y1 > bottom) return;
    for (let line = row(y1); line <= row(y2); line += 1) {
      const end = starts[line * across + column(x2) + 1];
      for (let at = starts[line * across + column(x1)]; at < end; at += 1) {
        const point = order[at];
        if (xs[point] >= x1 && xs[point] <= x2 && ys[point] >= y1 && ys[point] <= y2) visit(point);
      }
    }
  }
  /** The nearest point that `passes` within `reach` of a place, or -1. */
  function nearest(x, y, reach, passes) {
    let best = -1, least = reach * reach;
    within(x - reach, y - reach, x + reach, y + reach, (at) => {
      const away = (xs[at] - x) ** 2 + (ys[at] - y) ** 2;
      if (away < least && passes(at)) [best, least] = [at, away];
    });
    return best;
  }
  return { within, nearest, bounds: { left, top, right, bottom } };
}
