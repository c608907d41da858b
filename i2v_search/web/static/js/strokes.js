// A drawing as what was done to its paper, one after the other: strokes, pictures laid on it, and clearing it.

import { lies } from "./fitted.js";

export const PAPER = 512; // side of the paper: the unit of all points, and the pixels of what is sent
const WHITE = "#ffffff", BLACK = "#000000";
const LIGHTEST = 0.3, HEAVIEST = 1.7; // times a stroke's width, at the least and the most pressure
const NEAREST = 0.6; // points that lie closer together are one
const MARGIN = 0.08, SMALLEST = PAPER / 5; // around what is drawn, as a share of it; and what is sent at least
const COARSE = 128, FAINTEST = 250; // pixels of the sheet on which ink is looked for, and what is none

export const CLEARED = Object.freeze({ cleared: true });
export const stroke = (width, erases) => ({ width, erases, points: [] });
export const picture = (image) => ({ image });

/** Whether there is something on the paper. */
export const drawn = (steps) => steps.length > 0 && !steps.at(-1).cleared;

/** Add a point, with the pressure there (0 to 1); returns whether it is far enough from the last one. */
export function reach(line, x, y, pressure) {
  const last = line.points.at(-1);
  if (last && Math.hypot(x - last[0], y - last[1]) < NEAREST) return false;
  line.points.push([x, y, pressure]);
  return true;
}

/** Paint all that was done on white paper. */
export function paint(pen, steps) {
  pen.fillStyle = WHITE;
  pen.fillRect(0, 0, PAPER, PAPER);
  for (const step of steps.slice(steps.findLastIndex((each) => each.cleared) + 1)) {
    if (step.image) lay(pen, step.image);
    else finish(pen, step);
  }
}

/** The drawing as a picture: of the paper only what is drawn on, as what is drawn small is found less well. */
export function sheet(steps) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = PAPER;
  const pen = canvas.getContext("2d"), [x, y, side] = inked(steps), scale = PAPER / side;
  pen.setTransform(scale, 0, 0, scale, -x * scale, -y * scale);
  paint(pen, steps);
  return canvas;
}

/** The square of the paper, [x, y, side], that holds all ink. */
function inked(steps) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = COARSE;
  const pen = canvas.getContext("2d", { willReadFrequently: true }), unit = PAPER / COARSE;
  pen.scale(1 / unit, 1 / unit);
  paint(pen, steps);
  const { data } = pen.getImageData(0, 0, COARSE, COARSE);
  let [left, top, right, bottom] = [COARSE, COARSE, 0, 0];
  for (let at = 0; at < COARSE * COARSE; at += 1) {
    if (Math.min(data[4 * at], data[4 * at + 1], data[4 * at + 2]) < FAINTEST) {
      const x = at % COARSE, y = Math.floor(at / COARSE);
      [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x + 1), Math.max(bottom, y + 1)];
    }
  }
  if (left >= right) return [0, 0, PAPER];
  const side = Math.min(PAPER, Math.max(SMALLEST, Math.max(right - left, bottom - top) * unit * (1 + 2 * MARGIN)));
  const start = (one, two) => Math.min(PAPER - side, Math.max(0, ((one + two) * unit - side) / 2));
  return [start(left, right), start(top, bottom), side];
}

/** Paint a stroke from one of its points on, through the middles between its points: smooth, and not yet to the last. */
export function paintLine(pen, { width, erases, points }, from = 0) {
  pen.strokeStyle = pen.fillStyle = erases ? WHITE : BLACK;
  pen.lineCap = pen.lineJoin = "round";
  for (let at = from; at < points.length; at += 1) {
    const [x, y, pressure] = points[at], [x1, y1] = points[at - 1] ?? [x, y], [x0, y0] = points[at - 2] ?? [x1, y1];
    pen.lineWidth = width * (erases ? 1 : LIGHTEST + (HEAVIEST - LIGHTEST) * pressure);
    pen.beginPath();
    if (at) {
      pen.moveTo((x0 + x1) / 2, (y0 + y1) / 2);
      pen.quadraticCurveTo(x1, y1, (x1 + x) / 2, (y1 + y) / 2);
      pen.stroke();
    } else {
      pen.arc(x, y, pen.lineWidth / 2, 0, 2 * Math.PI);
      pen.fill();
    }
  }
}

/** Paint a whole stroke. */
function finish(pen, line) {
  paintLine(pen, line);
  const [[x, y], [x1, y1]] = [line.points.at(-1), line.points.at(-2) ?? line.points[0]];
  pen.beginPath();
  pen.moveTo((x + x1) / 2, (y + y1) / 2);
  pen.lineTo(x, y);
  pen.stroke();
}

const lay = (pen, image) =>
  pen.drawImage(image, ...lies("contain", [image.naturalWidth, image.naturalHeight], [PAPER, PAPER]));
