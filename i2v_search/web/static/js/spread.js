// Moves the places of a map apart, no further than needed, so that every picture is seen.

import { bounds, intoCells } from "./cells.js";

const MOST_ROUNDS = 400, FEWEST_ROUNDS = 12, PUSHES = 600_000; // so that a large map does not take long
const ENOUGH = 0.01; // share of `apart` that may be missing

/**
 * Places for points in which none lies nearer to another than `apart`, as far as that goes.
 * Points are [x, y]; those that are near are pushed away from each other, round after round.
 */
export function spread(points, apart) {
  const count = points.length, xs = new Float64Array(count), ys = new Float64Array(count);
  points.forEach(([x, y], at) => {
    xs[at] = x + Math.cos(at) * apart * 1e-3;
    ys[at] = y + Math.sin(at) * apart * 1e-3;
  });
  const rounds = Math.max(FEWEST_ROUNDS, Math.min(MOST_ROUNDS, PUSHES / count));
  for (let round = 0; round < rounds; round += 1) if (!push(xs, ys, apart)) break;
  return points.map((_, at) => [xs[at], ys[at]]);
}

/** One round; whether anything moved. Points are sorted into cells as wide as `apart`. */
function push(xs, ys, apart) {
  const count = xs.length, { left, top, right, bottom } = bounds(xs, ys);
  const cell = Math.max(apart, (right - left) / 2000, (bottom - top) / 2000);
  const across = Math.floor((right - left) / cell) + 1, down = Math.floor((bottom - top) / cell) + 1;
  const { cells, starts, order } = intoCells(count, across * down,
    (at) => Math.floor((ys[at] - top) / cell) * across + Math.floor((xs[at] - left) / cell));
  let pushed = false;
  for (let at = 0; at < count; at += 1) {
    const column = cells[at] % across, line = (cells[at] - column) / across;
    for (let y = Math.max(0, line - 1); y <= Math.min(down - 1, line + 1); y += 1) {
      const end = starts[y * across + Math.min(across - 1, column + 1) + 1];
      for (let place = starts[y * across + Math.max(0, column - 1)]; place < end; place += 1) {
        const other = order[place];
        if (other > at && part(xs, ys, at, other, apart)) pushed = true;
      }
    }
  }
  return pushed;
}

/** Push two places apart along the axis on which less is missing, as squares would. */
function part(xs, ys, one, two, apart) {
  const x = xs[two] - xs[one], y = ys[two] - ys[one];
  const missingX = apart - Math.abs(x), missingY = apart - Math.abs(y);
  if (missingX <= apart * ENOUGH || missingY <= apart * ENOUGH) return false;
  const axis = missingX < missingY ? xs : ys;
  const step = (Math.min(missingX, missingY) / 2) * ((axis === xs ? x : y) < 0 ? -1 : 1) * 0.6;
  axis[one] -= step;
  axis[two] += step;
  return true;
}
