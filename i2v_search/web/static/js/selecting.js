// Selecting pictures of the grid: with Ctrl or Shift and a click, by key, by the mark on each, by a box drawn around them.

import { get, h, name, typing } from "./dom.js";
import * as grid from "./grid.js";
import { icon } from "./icons.js";
import { notify } from "./notice.js";
import { add, begin, clear, extend, replace, selected, toggle, whenSelected } from "./selection.js";
import { state } from "./state.js";
import { TEXT, say } from "./strings.js";

const list = get("grid"), ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];
const SLOP = 5; // pixels that a click may tremble
const EDGE = 40, PACE = 18; // pixels from the window's edge where it scrolls, and how far each time
let band = null; // the box being drawn: where it began, where the pointer is, what was selected before

const keyAt = (element) => element?.closest?.("#grid [data-key]")?.dataset.key ?? "";
const tell = (left) => left && notify(say(TEXT.take.tooMany, left.toLocaleString()));

/** Show on a tile whether it is selected, with a button to change that. */
function dress(item, key) {
  const on = selected().has(key), tools = item.querySelector(".tools");
  const button = tools.querySelector(".select") ?? tools.appendChild(
    name(h("button", { type: "button", tabindex: "-1", class: "tool select" }, icon("check")), TEXT.take.select));
  button.setAttribute("aria-pressed", String(on));
  item.classList.toggle("selected", on);
}

function clicked(event) {
  const key = keyAt(event.target), button = event.target.closest("button");
  if (!key) return;
  if (button?.matches(".select")) toggle(key);
  else if (button) return;
  else if (event.shiftKey) tell(extend(key, grid.keys()));
  else if (event.ctrlKey || event.metaKey) toggle(key);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function pressed(event) {
  if (event.defaultPrevented || typing(event.target) || document.querySelector("dialog[open]") || state().view !== "grid") return;
  const key = keyAt(document.activeElement), plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (event.key === "Escape" && band) cancel();
  else if (event.key === "Escape" && selected().size && plain) clear();
  else if (event.key.toLowerCase() === "s" && key && plain) toggle(key);
  else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey) && !event.altKey && grid.keys().length) tell(add(grid.keys()));
  else return;
  event.preventDefault();
}

/** Shift and a key that moves: select what is passed over. */
const moves = (event) => event.shiftKey && ARROWS.includes(event.key) && keyAt(event.target);
const beforeMove = (event) => { if (moves(event)) begin(keyAt(event.target)); };
const afterMove = (event) => { if (moves(event)) tell(extend(keyAt(document.activeElement), grid.keys())); };

/** Begin a box where no picture is. */
function down(event) {
  const free = [list, get("pictures"), document.querySelector("main"), document.body].includes(event.target);
  if (!free || event.button !== 0 || event.pointerType !== "mouse" || state().view !== "grid") return;
  const x = event.clientX + scrollX, y = event.clientY + scrollY;
  band = { x, y, at: event, kept: event.shiftKey || event.ctrlKey || event.metaKey ? [...selected()] : [], before: [...selected()], box: null };
}

function moved(event) {
  if (!band) return;
  band.at = event;
  if (!band.box && Math.hypot(event.clientX + scrollX - band.x, event.clientY + scrollY - band.y) < SLOP) return;
  if (!band.box) {
    band.box = document.body.appendChild(h("div", { id: "band" }));
    document.documentElement.classList.add("banding");
    requestAnimationFrame(scroll);
  }
  draw();
}

function draw() {
  const x = band.at.clientX + scrollX, y = band.at.clientY + scrollY;
  const box = { left: Math.min(x, band.x), top: Math.min(y, band.y), width: Math.abs(x - band.x), height: Math.abs(y - band.y) };
  for (const [side, pixels] of Object.entries(box)) band.box.style[side] = `${pixels}px`;
  replace([...band.kept, ...grid.within(box)]);
}

/** Scroll while the pointer is at an edge of the window. */
function scroll() {
  if (!band?.box) return;
  const { clientY } = band.at, way = clientY < EDGE ? -1 : clientY > innerHeight - EDGE ? 1 : 0, before = scrollY;
  scrollBy({ top: way * PACE, behavior: "instant" });
  if (scrollY !== before) draw();
  requestAnimationFrame(scroll);
}

function up() {
  band?.box?.remove();
  band = null;
  document.documentElement.classList.remove("banding");
}
function cancel() {
  replace(band.before);
  up();
}

export function start() {
  grid.whenDrawn(dress);
  whenSelected(() => grid.mark(state()));
  list.addEventListener("click", clicked, true);
  list.addEventListener("keydown", beforeMove, true);
  list.addEventListener("keydown", afterMove);
  document.addEventListener("keydown", pressed);
  addEventListener("pointerdown", down);
  addEventListener("pointermove", moved);
  addEventListener("pointerup", up);
  addEventListener("pointercancel", () => band && cancel());
}
