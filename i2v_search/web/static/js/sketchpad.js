// A paper to draw on beside the results, which follow every stroke: the drawing is an example like other images.

import { get, name } from "./dom.js";
import { icon } from "./icons.js";
import { notify } from "./notice.js";
import { imageOf, known, large, remember } from "./reference.js";
import { change, putDrawing, state, subscribe } from "./state.js";
import { TEXT, say } from "./strings.js";
import { CLEARED, PAPER, drawn, paint, paintLine, picture, reach, sheet, stroke } from "./strokes.js";
import { send } from "./uploads.js";

const WIDTHS = { pen: [3, 7, 16], eraser: [14, 32, 72] };
const PAUSE = 40; // milliseconds without a stroke, after which the drawing is sent
const STEADY = 0.5; // pressure of what has none, as a mouse
const canvas = get("paper"), pen = canvas.getContext("2d");
const drawings = new Map(); // image -> what was done to its paper
let steps = [], undone = [], shown = ""; // `shown` is the image that the query has of the paper
let tool = "pen", size = 1, line = null, pointer = null, stylus = false, timer = 0, sending = null;

const isOpen = () => !get("sketchpad").hidden;

// The paper

function redraw() {
  const side = Math.round(canvas.clientWidth * (devicePixelRatio || 1));
  if (!side) return;
  if (canvas.width !== side) canvas.width = canvas.height = side;
  pen.setTransform(side / PAPER, 0, 0, side / PAPER, 0, 0);
  paint(pen, steps);
  if (line) paintLine(pen, line);
  tell();
}

/** Show what can be done. */
function tell() {
  for (const [id, can] of [["undo", steps.length], ["redo", undone.length], ["wipe", drawn(steps)]]) {
    if (!can && document.activeElement === get(id)) canvas.focus({ preventScroll: true });
    get(id).disabled = !can;
  }
  get("paper-hint").hidden = drawn(steps) || Boolean(line);
  for (const each of ["pen", "eraser"]) get(each).setAttribute("aria-pressed", String(each === tool));
  [...get("sizes").children].forEach((each, at) => each.setAttribute("aria-pressed", String(at === size)));
}

function put(wanted, later) {
  [steps, undone] = [wanted, later];
  redraw();
  follow();
}
const add = (step) => put([...steps, step], []);
const undo = () => { if (steps.length && !line) put(steps.slice(0, -1), [...undone, steps.at(-1)]); };
const redo = () => { if (undone.length && !line) put([...steps, undone.at(-1)], undone.slice(0, -1)); };
const wipe = () => { if (drawn(steps) && !line) add(CLEARED); };
const take = (wanted) => { tool = wanted; tell(); };
const resize = (by) => { size = Math.min(WIDTHS.pen.length - 1, Math.max(0, size + by)); tell(); };

// Strokes: of a mouse, a finger or a pen. Where a pen is used, the hand that rests on the paper draws nothing.

function begin(event) {
  const byPen = event.pointerType === "pen";
  if (line && !(byPen && !stylus)) return;
  stylus ||= byPen;
  if (!event.isPrimary || (stylus && event.pointerType === "touch") || ![0, 5].includes(event.button)) return;
  event.preventDefault();
  canvas.focus({ preventScroll: true });
  canvas.setPointerCapture(event.pointerId);
  clearTimeout(timer);
  const erases = tool === "eraser" || event.button === 5; // the other end of a pen
  [line, pointer] = [stroke(WIDTHS[erases ? "eraser" : "pen"][size], erases), event.pointerId];
  extend([event]);
  tell();
}

function extend(events) {
  const box = canvas.getBoundingClientRect(), from = line.points.length;
  for (const { clientX, clientY, pointerType, pressure } of events) {
    reach(line, ((clientX - box.left) / box.width) * PAPER, ((clientY - box.top) / box.height) * PAPER,
      pointerType === "pen" ? pressure : STEADY);
  }
  paintLine(pen, line, from);
}

function move(event) {
  if (event.pointerId !== pointer) return;
  const between = event.getCoalescedEvents?.() ?? [];
  extend(between.length ? between : [event]);
}

function end(event) {
  if (event.pointerId !== pointer) return;
  const done = line;
  [line, pointer] = [null, null];
  if (event.type === "pointerup") add(done);
  else put(steps, undone); // the browser took the finger for something else
}

// What is drawn is searched for.

function follow() {
  clearTimeout(timer);
  timer = setTimeout(search, PAUSE);
}

async function search() {
  sending?.abort();
  const { signal } = (sending = new AbortController());
  const made = steps;
  if (!drawn(made)) return place("");
  try {
    const image = await send(await file(made), TEXT.drawingFile, signal);
    if (signal.aborted) return undefined;
    remember(image, { small: known(image).local });
    drawings.set(image, made);
    return place(image);
  } catch (failure) {
    if (!signal.aborted) notify(failure.message, "error");
    return undefined;
  }
}

/** Take the drawing into the query; the first stroke is a step to go back from, further ones are not. */
function place(image) {
  const before = shown;
  shown = image;
  change(putDrawing(before, image), { replace: Boolean(before) });
}

const file = (made) => new Promise((resolve) => { sheet(made).toBlob(resolve, "image/png"); });

// Opening, closing, and what changes the query elsewhere

const inQuery = ({ like, unlike }) => [...like, ...unlike].map(imageOf);
/** The image of the drawing that a query has, or "". */
const ofQuery = (now) => [shown, ...inQuery(now).toReversed()].find((image) => drawings.has(image) && inQuery(now).includes(image)) ?? "";

/** Lay another drawing on the paper, or a clean sheet. */
function lay(image) {
  clearTimeout(timer);
  sending?.abort();
  [steps, undone, shown, line, pointer] = [drawings.get(image) ?? [], [], image, null, null];
  redraw();
}

/** Open the paper with an image of the query on it; without one, with the drawing that the query has, if any. */
export async function open(key = "") {
  const image = key ? imageOf(key) : ofQuery(state());
  if (image && !drawings.has(image)) {
    const found = new Image();
    found.src = large(image);
    try {
      await found.decode();
    } catch {
      notify(say(TEXT.errors.broken, TEXT.yourImage), "error");
      return;
    }
    drawings.set(image, [picture(found)]);
  }
  if (state().view !== "grid") change({ view: "grid" });
  get("sketchpad").hidden = false;
  get("draw").setAttribute("aria-expanded", "true");
  if (image === shown) redraw();
  else lay(image);
  canvas.focus({ preventScroll: true });
}

export function close() {
  if (!isOpen()) return;
  const focused = get("sketchpad").contains(document.activeElement);
  get("sketchpad").hidden = true;
  get("draw").setAttribute("aria-expanded", "false");
  if (focused) get("draw").focus();
}
export const toggle = () => (isOpen() ? close() : open());

/** Keys while the paper is open: those with Ctrl wherever no text is typed, the others on the paper. */
function pressed(event) {
  if (!isOpen() || event.altKey || event.defaultPrevented || event.target.closest?.("input[type=text], dialog")) return;
  const key = event.key.toLowerCase(), here = get("sketchpad").contains(event.target);
  const way = event.ctrlKey || event.metaKey
    ? { z: event.shiftKey ? redo : undo, y: redo }[key]
    : here && { e: () => take(tool === "pen" ? "eraser" : "pen"), "[": () => resize(-1), "]": () => resize(1), delete: wipe, escape: close }[key];
  if (!way) return;
  event.preventDefault();
  event.stopPropagation();
  way();
}

export function start() {
  for (const [id, way] of [["draw", toggle], ["pen", () => take("pen")], ["eraser", () => take("eraser")], ["undo", undo], ["redo", redo], ["wipe", wipe], ["sketchpad-close", close]]) {
    get(id).addEventListener("click", way);
  }
  get("sizes").replaceChildren(...TEXT.sizes.map((text, at) => {
    const button = name(document.createElement("button"), text);
    button.type = "button";
    button.append(icon(`dot${at}`));
    button.addEventListener("click", () => { size = at; tell(); });
    return button;
  }));
  canvas.addEventListener("pointerdown", begin);
  canvas.addEventListener("pointermove", move);
  for (const type of ["pointerup", "pointercancel"]) canvas.addEventListener(type, end);
  addEventListener("keydown", pressed, true);
  new ResizeObserver(redraw).observe(canvas);
  subscribe((now) => {
    if (now.view === "map") close();
    const image = ofQuery(now);
    if (image === shown || (!shown && steps.length)) return; // what was drawn last is not sent yet
    lay(image);
    if (!image) close();
  });
}
