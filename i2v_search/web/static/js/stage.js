// The stage on which one picture is shown large: its lens, its true pixels, and the buttons and keys of the zoom.

import * as box from "./box.js";
import { closeup } from "./closeup.js";
import { get } from "./dom.js";
import { lens } from "./lens.js";
import { announce } from "./notice.js";
import { TEXT, say } from "./strings.js";

const STEP = 80; // pixels that a key moves it by
let listeners = [], flipped = false;

export const glass = lens(get("viewport"), get("pane"), {
  moved: () => { for (const listener of listeners) listener(); },
  begun: box.cancel,
  drags: (event) => !box.draws(event),
});
export const parts = closeup(get("closeups"), glass, () => flipped);

/** Be told when something else is in sight. */
export const whenMoved = (listener) => listeners.push(listener);

/** Show a picture of this size, as far as it is known. */
export function show(width, height) {
  parts.show("");
  glass.view.width = 0; // until it is known
  if (width && height) glass.size(width, height, true);
}

/** What the collection says of the picture is there: its true pixels can be asked for. */
export function describe(key, { width, height }) {
  glass.size(width, height, false);
  parts.show(key);
  parts.look();
}

/** Show the picture as in a mirror. */
export function setFlipped(on) {
  if (on === flipped) return;
  flipped = on;
  for (const pane of ["pane", "pane-b"]) get(pane).classList.toggle("flipped", on);
  box.setMirrored(on);
  if (glass.view.width) glass.mirror();
}
export const isFlipped = () => flipped;

/** What is in sight, as left, top, width and height in shares of the picture's sides. */
export function seenPart() {
  const { width, height } = glass.view;
  if (!width) return [0, 0, 1, 1];
  let [left, top, right, bottom] = glass.seen();
  if (flipped) [left, right] = [width - right, width - left];
  return [left / width, top / height, (right - left) / width, (bottom - top) / height];
}

const percent = () => say(TEXT.percent, Math.round(100 * glass.view.scale).toLocaleString());
const saying = (way) => () => { way(); announce(percent()); };
const zoom = {
  in: saying(() => glass.step(1)),
  out: saying(() => glass.step(-1)),
  fit: saying(() => glass.fit()),
  full: saying(() => glass.zoomTo(1)),
};

/** What a key does here, or undefined. */
export function keyed(event) {
  if (event.shiftKey && event.key.startsWith("Arrow")) return move(event.key);
  const read = {
    ArrowUp: () => glass.moveBy(0, -STEP), ArrowDown: () => glass.moveBy(0, STEP),
    PageUp: () => glass.scrollOn(-1), PageDown: () => glass.scrollOn(1), Home: () => glass.ends(-1), End: () => glass.ends(1),
  };
  if (read[event.key]) return glass.movable() && !event.target.closest(".detail-side") ? read[event.key] : undefined;
  return { "+": zoom.in, "=": zoom.in, "-": zoom.out, "−": zoom.out, 0: zoom.fit, 1: zoom.full }[event.key];
}
function move(key) {
  const [dx, dy] = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[key];
  return () => glass.moveBy(dx, dy);
}

export function start() {
  for (const way of Object.keys(zoom)) get(`look-${way}`).addEventListener("click", zoom[way]);
  whenMoved(() => {
    parts.look();
    get("look-scale").textContent = percent();
  });
}
