// Moves the places of a map apart, no further than needed, so that every picture is seen.

const MOST_ROUNDS = 400, FEWEST_ROUNDS = 30, PUSHES = 600_000; // so that a large map does not take long

/**
 * Places for points in which none lies nearer to another than `apart`, as far as that goes.
 * Points are [x, y]; those that are near are pushed away from each other, round after round.
 */
export function spread(points, apart) {
  const places = points.map(([x, y], at) => [x + Math.cos(at) * apart * 1e-3, y + Math.sin(at) * apart * 1e-3]);
  const rounds = Math.max(FEWEST_ROUNDS, Math.min(MOST_ROUNDS, PUSHES / points.length));
  for (let round = 0; round < rounds; round += 1) {
    const cells = new Map();
    const cell = (x, y) => Math.floor(x / apart) * 1e6 + Math.floor(y / apart);
    places.forEach(([x, y], at) => {
      const where = cell(x, y);
      if (cells.has(where)) cells.get(where).push(at);
      else cells.set(where, [at]);
    });
    let pushed = false;
    places.forEach((here, at) => {
      for (let dx = -1; dx <= 1; dx += 1) {
        for (let dy = -1; dy <= 1; dy += 1) {
          for (const other of cells.get(cell(here[0] + dx * apart, here[1] + dy * apart)) ?? []) {
            if (other > at && push(here, places[other], apart)) pushed = true;
          }
        }
      }
    });
    if (!pushed) break;
  }
  return places;
}

/** Push two places apart along the axis on which less is missing, as squares would. */
function push(one, two, apart) {
  const [x, y] = [two[0] - one[0], two[1] - one[1]];
  const missing = [apart - Math.abs(x), apart - Math.abs(y)];
  if (missing[0] <= apart * 0.01 || missing[1] <= apart * 0.01) return false;
  const axis = missing[0] < missing[1] ? 0 : 1;
  const step = (missing[axis] / 2) * ((axis ? y : x) < 0 ? -1 : 1) * 0.6;
  one[axis] -= step;
  two[axis] += step;
  return true;
}
