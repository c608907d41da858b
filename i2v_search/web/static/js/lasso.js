// A line drawn around places of the map.

const LEAST = 4; // pixels between two points of the line

/** A lasso in points of the map; `scale` is pixels a unit. */
export function lasso() {
  let points = [];
  return {
    points: () => points,
    add([x, y], scale) {
      const last = points.at(-1);
      if (!last || Math.hypot(x - last[0], y - last[1]) * scale >= LEAST) points.push([x, y]);
    },
    clear() { points = []; },
    /** [left, top, right, bottom] of the line. */
    bounds: () => points.reduce(([left, top, right, bottom], [x, y]) =>
      [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)], [Infinity, Infinity, -Infinity, -Infinity]),
    /** Whether a place lies inside: a ray from it crosses the line an odd number of times. */
    holds(x, y) {
      let inside = false;
      for (let at = 0, before = points.length - 1; at < points.length; before = at, at += 1) {
        const [x1, y1] = points[at], [x2, y2] = points[before];
        if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
      }
      return inside;
    },
  };
}
