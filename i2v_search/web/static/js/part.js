// Parts of the picture shown large, in boxes: what is done with the picture is done with them, each an example of its own.

import { act } from "./actions.js";
import * as box from "./box.js";
import { get, h, name } from "./dom.js";
import { put } from "./fitted.js";
import { partFound } from "./grid.js";
import { imageOf, isSketch, keyOf, partOf } from "./reference.js";
import * as stage from "./stage.js";
import { change, closeImageThen, replaceExample, searchFrom } from "./state.js";
import { TEXT, say } from "./strings.js";

const MOST = 8; // parts of a picture at once

/** The middle half of what is in sight. */
function middle() {
  const [x, y, width, height] = stage.seenPart();
  return [x + width / 4, y + height / 4, width / 2, height / 2];
}
let editing = ""; // the example whose part is chosen
let kept = []; // parts besides the one in the box

/** Show an example large, to choose a part of it. */
export function edit(key) {
  editing = key;
  act("show", key);
}

/** Another picture is shown, or none. */
export function show(image) {
  if (imageOf(editing) !== image) editing = "";
  kept = [];
  box.set(editing ? partOf(editing) ?? middle() : null);
  const found = partFound(image);
  get("part-found").hidden = !found;
  if (found) put(get("part-found"), found);
}

/** The keys of what is chosen of the picture shown: its parts, or all of it. */
export function chosen(image) {
  const sketch = isSketch(editing), parts = box.chosen() ? [...kept, box.chosen()] : [null];
  return [...new Set(parts.map((part) => keyOf(image, { sketch, part })))];
}

/** Search for what is chosen: in place of the example that it was opened from, where there is one. */
export function search(image) {
  const keys = chosen(image), before = editing, last = keys.at(-1);
  const all = (patch) => ({ ...patch, like: patch.like.flatMap((key) => (key === last ? keys : [key])) });
  if (before) closeImageThen(() => change(all(replaceExample(before, last))));
  else change(all(searchFrom(last)));
}

/** Draw the parts besides the one in the box; pressed, one of them is in the box. */
function drawKept() {
  for (const each of get("part-sheet").querySelectorAll(".kept")) each.remove();
  get("part-box").before(...kept.map((part, at) => {
    const button = name(h("button", { type: "button", class: "kept" }), say(TEXT.partNumber, at + 1));
    put(button, part);
    button.addEventListener("click", () => {
      kept = kept.with(at, box.chosen());
      box.set(part);
      get("part-box").focus();
    });
    return button;
  }));
}
const keep = () => { if (box.chosen()) kept = [...kept, box.chosen()].slice(0, MOST - 1); };

function addAnother() {
  if (kept.length >= MOST - 1) return;
  keep();
  box.set(middle());
  get("part-box").focus();
}
/** Give up the part in the box, for the one before it where there is one. */
function remove() {
  const last = kept.at(-1) ?? null;
  kept = kept.slice(0, -1);
  box.set(last);
}

function tell() {
  const on = Boolean(box.chosen());
  get("part").setAttribute("aria-pressed", String(on));
  drawKept();
  get("part-more").hidden = !on;
  get("search-it").textContent = kept.length ? say(TEXT.searchParts, kept.length + 1) : on ? TEXT.searchPart : editing ? TEXT.searchWhole : TEXT.search;
  get("part-hint").hidden = on;
}

function toggle() {
  kept = [];
  box.set(box.chosen() ? null : middle());
  if (box.chosen()) get("part-box").focus();
}

export function start() {
  box.start(tell, keep);
  get("part").addEventListener("click", toggle);
  get("part-more").addEventListener("click", addAnother);
  get("part-box").addEventListener("keydown", (event) => {
    if (event.key === "Escape") toggle();
    else if (event.key === "Delete" || event.key === "Backspace") remove();
    else if (event.key === "n") addAnother();
    else if (event.key === "Enter") get("search-it").closest("button").click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
