// Where a picture lies in a place of another shape, and a part of a picture in it.

/** Left, top, width and height of a picture that is shown whole ("contain") or fills its place ("cover"). */
export function lies(fit, [width, height], [wide, tall]) {
  const scale = Math[fit === "cover" ? "max" : "min"](wide / width, tall / height);
  return [(wide - width * scale) / 2, (tall - height * scale) / 2, width * scale, height * scale];
}

/** A part of a picture that lies so in a place, as shares of the place, as far as it is in sight there. */
export function inPlace([x, y, width, height], [left, top, wide, tall], place) {
  const along = (start, length, from, whole, side) => {
    const [one, two] = [start, start + length].map((share) => Math.min(1, Math.max(0, (from + share * whole) / side)));
    return [one, two - one];
  };
  const [[x0, across], [y0, down]] = [along(x, width, left, wide, place[0]), along(y, height, top, tall, place[1])];
  return [x0, y0, across, down];
}

/** Put an element at [x, y, width, height], as shares of what it lies in. */
export function put(element, box) {
  ["left", "top", "width", "height"].forEach((side, at) => { element.style[side] = `${box[at] * 100}%`; });
}
