// A box on the picture shown large: drawn, moved and resized with mouse, finger or keys.

import { get, h } from "./dom.js";
import { lies, put } from "./fitted.js";
import { announce } from "./notice.js";
import { rounded } from "./reference.js";
import { TEXT, say } from "./strings.js";

const LEAST = 0.03, STEP = 0.01; // shares of the picture's sides
const GRIPS = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
const sheet = get("part-sheet"), frame = get("part-box");
let box = null, picture = null, held = null, changed = () => {};

const within = (value, low, high) => Math.min(high, Math.max(low, value));

/** The box as [x, y, width, height] in shares of the picture's sides, or null. */
export const chosen = () => (box ? rounded(box) : null);

export function set(wanted) {
  box = wanted;
  sheet.classList.toggle("on", Boolean(box));
  frame.hidden = !box;
  if (box) put(frame, box);
  changed();
}

/** Lie exactly over a picture, as it is shown: whole, in the middle of its place. */
export function over(image) {
  sight.disconnect();
  picture = image;
  sight.observe(image);
  image.addEventListener("load", arrange);
}
const sight = new ResizeObserver(arrange);

function arrange() {
  const { naturalWidth, naturalHeight, offsetLeft, offsetTop, offsetWidth, offsetHeight } = picture;
  sheet.hidden = !naturalWidth;
  if (!naturalWidth) return;
  const [left, top, width, height] = lies("contain", [naturalWidth, naturalHeight], [offsetWidth, offsetHeight]);
  Object.assign(sheet.style, {
    left: `${offsetLeft + left}px`, top: `${offsetTop + top}px`, width: `${width}px`, height: `${height}px`,
  });
}

/** The place of the pointer in shares of the picture. */
function place({ clientX, clientY }) {
  const { left, top, width, height } = sheet.getBoundingClientRect();
  return [within((clientX - left) / width, 0, 1), within((clientY - top) / height, 0, 1)];
}

/** A box that was moved, or whose sides named by the grip were. */
function dragged([x, y, width, height], grip, dx, dy) {
  if (grip === "move") return [within(x + dx, 0, 1 - width), within(y + dy, 0, 1 - height), width, height];
  let [left, top, right, bottom] = [x, y, x + width, y + height];
  if (grip.includes("w")) left = within(left + dx, 0, right - LEAST);
  if (grip.includes("e")) right = within(right + dx, left + LEAST, 1);
  if (grip.includes("n")) top = within(top + dy, 0, bottom - LEAST);
  if (grip.includes("s")) bottom = within(bottom + dy, top + LEAST, 1);
  return [left, top, right - left, bottom - top];
}

function begin(event) {
  // A finger scrolls until there is a box.
  if (held || event.button || (event.pointerType === "touch" && !box)) return;
  event.preventDefault();
  sheet.setPointerCapture(event.pointerId);
  const grip = event.target.dataset.grip ?? (event.target === frame ? "move" : "new");
  held = { grip, from: place(event), before: box, pointer: event.pointerId };
}

function move(event) {
  if (event.pointerId !== held?.pointer) return;
  const [x, y] = place(event), { grip, from: [x0, y0], before } = held;
  if (grip !== "new") return set(dragged(before, grip, x - x0, y - y0));
  const drawn = [Math.min(x, x0), Math.min(y, y0), Math.abs(x - x0), Math.abs(y - y0)];
  return set(drawn[2] < LEAST || drawn[3] < LEAST ? before : drawn);
}

function end(event) {
  if (event.pointerId !== held?.pointer) return;
  if (event.type === "pointercancel") set(held.before);
  held = null;
  if (box) frame.focus({ preventScroll: true });
}

function pressed(event) {
  const way = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
  if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation(); // arrows turn to the next picture, else
  set(dragged(box, event.shiftKey ? "se" : "move", ...way));
  announce(say(TEXT.partAt, ...box.map((share) => Math.round(share * 100))));
}

export function start(whenChanged) {
  changed = whenChanged;
  frame.append(...GRIPS.map((grip) => h("span", { class: `grip ${grip}`, "data-grip": grip })));
  frame.addEventListener("keydown", pressed);
  sheet.addEventListener("pointerdown", begin);
  sheet.addEventListener("pointermove", move);
  for (const type of ["pointerup", "pointercancel"]) sheet.addEventListener(type, end);
}
