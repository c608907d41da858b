// Points sorted into the cells of a grid, so that those near a place are found without looking at all.

/** The edges of points. */
export function bounds(xs, ys) {
  let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
  for (let at = 0; at < xs.length; at += 1) {
    left = Math.min(left, xs[at]);
    right = Math.max(right, xs[at]);
    top = Math.min(top, ys[at]);
    bottom = Math.max(bottom, ys[at]);
  }
  return { left, top, right, bottom };
}

/**
 * Sort `count` points into `number` cells; `cellOf` gives that of a point.
 * Those of cell c stand in `order` from starts[c] to starts[c + 1]; `cells` holds the cell of each point.
 */
export function intoCells(count, number, cellOf) {
  const cells = new Uint32Array(count), starts = new Uint32Array(number + 1), order = new Uint32Array(count);
  for (let at = 0; at < count; at += 1) {
    cells[at] = cellOf(at);
    starts[cells[at] + 1] += 1;
  }
  for (let at = 1; at < starts.length; at += 1) starts[at] += starts[at - 1];
  const next = starts.slice();
  for (let at = 0; at < count; at += 1) order[next[cells[at]]++] = at;
  return { cells, starts, order };
}
