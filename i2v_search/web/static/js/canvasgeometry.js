// Where pictures lie on a canvas: corners, boxes, what is under a point, and edges that snap to one another.
// A picture is { x, y, width, height, scale, rotation }: its middle, its pixels, the units of one, degrees clockwise.

const RADIAN = Math.PI / 180, FARTHEST = 1e6, SCALES = [1e-4, 1e4]; // as the server takes
const within = (value, low, high) => Math.min(high, Math.max(low, value));

/** A point turned clockwise about another. */
export function turned([x, y], degrees, [midX, midY]) {
  const cos = Math.cos(degrees * RADIAN), sin = Math.sin(degrees * RADIAN);
  return [midX + (x - midX) * cos - (y - midY) * sin, midY + (x - midX) * sin + (y - midY) * cos];
}

/** The four corners, clockwise from the upper left one. */
export function corners({ x, y, width, height, scale, rotation }) {
  const wide = (width * scale) / 2, high = (height * scale) / 2;
  return [[-wide, -high], [wide, -high], [wide, high], [-wide, high]].map(([dx, dy]) => turned([x + dx, y + dy], rotation, [x, y]));
}

/** The upright box around pictures; null around none. */
export function boxOf(pictures) {
  const points = pictures.flatMap(corners);
  if (!points.length) return null;
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
}

export const contains = ({ x, y, width, height, scale, rotation }, point) => {
  const [across, down] = turned(point, -rotation, [x, y]);
  return Math.abs(across - x) * 2 <= width * scale && Math.abs(down - y) * 2 <= height * scale;
};
export const meet = (one, two) => one.left < two.right && two.left < one.right && one.top < two.bottom && two.top < one.bottom;

/** The frame around what is chosen, as a picture of scale 1: turned with one picture, upright around several. */
export function frameOf(pictures) {
  if (pictures.length === 1) {
    const [{ x, y, width, height, scale, rotation }] = pictures;
    return { x, y, width: width * scale, height: height * scale, scale: 1, rotation };
  }
  const box = boxOf(pictures);
  return box && { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2, width: box.right - box.left, height: box.bottom - box.top, scale: 1, rotation: 0 };
}

/** Where a picture lies after all around a point grows by a factor and turns by degrees. */
export function transformed(place, { about, factor = 1, degrees = 0 }) {
  const [x, y] = turned([about[0] + (place.x - about[0]) * factor, about[1] + (place.y - about[1]) * factor], degrees, about);
  return { x: within(x, -FARTHEST, FARTHEST), y: within(y, -FARTHEST, FARTHEST), scale: within(place.scale * factor, ...SCALES), rotation: (((place.rotation + degrees) % 360) + 360) % 360 };
}

const lines = (low, high) => [low, (low + high) / 2, high];

/**
 * How far a box has to move so that an edge or its middle meets that of another box, where one is within reach, and the
 * lines on which they meet.
 */
export function snap(box, others, reach) {
  const found = { dx: 0, dy: 0, guides: [] };
  for (const [axis, way, low, high] of [["x", "dx", "left", "right"], ["y", "dy", "top", "bottom"]]) {
    let best = reach;
    for (const other of others) {
      for (const to of lines(other[low], other[high])) {
        for (const from of lines(box[low], box[high])) {
          if (Math.abs(to - from) >= Math.abs(best)) continue;
          best = to - from;
          found[way] = best;
          found.guides = [...found.guides.filter((guide) => guide.axis !== axis), { axis, at: to }];
        }
      }
    }
  }
  return found;
}
