// What is painted of a canvas: pictures from the deepest up, frames of those chosen, guides, and the band.

import { boxOf, corners, frameOf, meet, turned } from "./canvasgeometry.js";
import { fileName, known } from "./reference.js";

export const KNOB = 30; // pixels from the frame to the knob that turns it
const HANDLE = 5, SQUARES_FROM = 1.5; // half a handle; times that a picture is enlarged from which its pixels are squares

/** The points that scale and turn what is chosen, in units of the canvas: four corners, and the knob. */
export function handles(chosen, zoom) {
  const frame = frameOf(chosen);
  if (!frame) return null;
  const { x, y, height, rotation } = frame;
  return { frame, corners: corners(frame), knob: turned([x, y - height / 2 - KNOB / zoom], rotation, [x, y]) };
}

/** Pictures in sight, with their boxes. */
export function inSight(pictures, { toMap, width, height }) {
  const [left, top] = toMap(0, 0), [right, bottom] = toMap(width, height), window = { left, top, right, bottom };
  return pictures.map((picture) => ({ picture, box: boxOf([picture]) })).filter(({ box }) => meet(box, window));
}

/** A painter on a canvas that asks a shelf of bitmaps for pictures. */
export function scene(canvas, shelf) {
  const pen = canvas.getContext("2d");

  function outline(points) {
    pen.beginPath();
    points.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    pen.stroke();
  }
  function picture({ key, x, y, width, height, scale, rotation }, { toScreen, zoom, colours }) {
    const bitmap = shelf.get(key), wide = width * scale * zoom, high = height * scale * zoom;
    pen.save();
    pen.translate(...toScreen(x, y));
    pen.rotate((rotation * Math.PI) / 180);
    if (bitmap) {
      pen.imageSmoothingEnabled = !(bitmap.width >= width && scale * zoom >= SQUARES_FROM);
      pen.drawImage(bitmap, -wide / 2, -high / 2, wide, high);
    } else {
      pen.fillStyle = colours.line;
      pen.fillRect(-wide / 2, -high / 2, wide, high);
      if (bitmap === null && wide > 60) {
        pen.fillStyle = colours.ink;
        pen.fillText(fileName(known(key).path ?? ""), 0, 0, wide - 8);
      }
    }
    pen.restore();
  }

  /** Paint it all; returns the keys in sight. */
  return (shot) => {
    const { pictures, chosen, focused, toScreen, zoom, width, height, ratio, colours, guides, band } = shot;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    Object.assign(pen, { textAlign: "center", textBaseline: "middle", font: "13px system-ui, sans-serif", imageSmoothingQuality: zoom < 0.2 ? "low" : "medium" });
    const seen = inSight(pictures, shot).map((each) => each.picture);
    shelf.want(seen.map((each) => [each.key, Math.max(each.width, each.height) * each.scale * zoom * ratio]));
    for (const each of seen) picture(each, shot);
    const onScreen = (points) => points.map(([x, y]) => toScreen(x, y));
    Object.assign(pen, { strokeStyle: colours.accent, fillStyle: colours.accent, lineWidth: 2 });
    for (const each of chosen) outline(onScreen(corners(each)));
    if (focused && !chosen.includes(focused)) {
      pen.setLineDash([6, 4]);
      outline(onScreen(corners(focused)));
      pen.setLineDash([]);
    }
    const held = handles(chosen, zoom);
    if (held) {
      const [first, second, ...rest] = onScreen(held.corners), [knob] = onScreen([held.knob]);
      pen.lineWidth = 1;
      if (chosen.length > 1) outline([first, second, ...rest]);
      pen.beginPath();
      pen.moveTo((first[0] + second[0]) / 2, (first[1] + second[1]) / 2);
      pen.lineTo(...knob);
      pen.stroke();
      for (const [x, y] of [first, second, ...rest, knob]) {
        pen.beginPath();
        pen.arc(x, y, HANDLE, 0, 2 * Math.PI);
        pen.fillStyle = colours.handle;
        pen.fill();
        pen.lineWidth = 2;
        pen.stroke();
      }
    }
    pen.lineWidth = 1;
    for (const { axis, at } of guides) {
      const [x, y] = toScreen(at, at);
      pen.beginPath();
      if (axis === "x") { pen.moveTo(x, 0); pen.lineTo(x, height); } else { pen.moveTo(0, y); pen.lineTo(width, y); }
      pen.stroke();
    }
    if (band) {
      const [[left, top], [right, bottom]] = onScreen([[band.left, band.top], [band.right, band.bottom]]);
      pen.globalAlpha = 0.15;
      pen.fillStyle = colours.accent;
      pen.fillRect(left, top, right - left, bottom - top);
      pen.globalAlpha = 1;
      pen.strokeRect(left, top, right - left, bottom - top);
    }
    return seen;
  };
}
