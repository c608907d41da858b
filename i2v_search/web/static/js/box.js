// A box on the picture shown large: drawn, moved and resized with mouse, finger or keys.

import { get, h } from "./dom.js";
import { put } from "./fitted.js";
import { announce } from "./notice.js";
import { rounded } from "./reference.js";
import { TEXT, say } from "./strings.js";

const LEAST = 0.01, STEP = 0.01; // shares of the picture's sides
const GRIPS = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
const sheet = get("part-sheet"), frame = get("part-box");
let box = null, mirrored = false, held = null, changed = () => {}, another = () => {};

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

/** The picture is shown as in a mirror. */
export const setMirrored = (on) => { mirrored = on; };

/** The place of the pointer in shares of the picture. */
function place({ clientX, clientY }) {
  const { left, top, width, height } = sheet.getBoundingClientRect();
  const across = within((clientX - left) / width, 0, 1);
  return [mirrored ? 1 - across : across, within((clientY - top) / height, 0, 1)];
}

/** Whether a press draws or moves a box: where there is one, or all of the picture is in sight. A finger scrolls until there is one. */
export const draws = (event) => Boolean(box) || (event.pointerType !== "touch" && !get("viewport").classList.contains("movable"));

/** Give up what is being drawn. */
export function cancel() {
  if (held) set(held.before);
  held = null;
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
  if (held || event.button || !draws(event) || event.target.closest(".kept")) return;
  event.preventDefault();
  sheet.setPointerCapture(event.pointerId);
  const grip = event.target.dataset.grip ?? (event.target === frame ? "move" : "new");
  if (grip === "new" && box && event.shiftKey) {
    another();
    box = null;
  }
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
  set(dragged(box, event.shiftKey ? "se" : "move", mirrored && !event.shiftKey ? -way[0] : way[0], way[1]));
  announce(say(TEXT.partAt, ...box.map((share) => Math.round(share * 100))));
}

/** Be told of changes, and `whenAnother` before a further box is drawn. */
export function start(whenChanged, whenAnother) {
  [changed, another] = [whenChanged, whenAnother];
  frame.append(...GRIPS.map((grip) => h("span", { class: `grip ${grip}`, "data-grip": grip })));
  frame.addEventListener("keydown", pressed);
  sheet.addEventListener("pointerdown", begin);
  sheet.addEventListener("pointermove", move);
  for (const type of ["pointerup", "pointercancel"]) sheet.addEventListener(type, end);
}
