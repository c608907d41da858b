// A part of the picture shown large, in a box: what is done with the picture is done with that part.

import { act } from "./actions.js";
import * as box from "./box.js";
import { get } from "./dom.js";
import { put } from "./fitted.js";
import { partFound } from "./grid.js";
import { imageOf, isSketch, keyOf, partOf } from "./reference.js";
import { change, closeImageThen, replaceExample } from "./state.js";
import { TEXT } from "./strings.js";

const MIDDLE = [0.25, 0.25, 0.5, 0.5];
let editing = ""; // the example whose part is chosen

/** Show an example large, to choose a part of it. */
export function edit(key) {
  editing = key;
  act("show", key);
}

/** Another picture is shown, or none. */
export function show(image) {
  if (imageOf(editing) !== image) editing = "";
  box.set(editing ? partOf(editing) ?? MIDDLE : null);
  const found = partFound(image);
  get("part-found").hidden = !found;
  if (found) put(get("part-found"), found);
}

/** The key of what is chosen of the picture shown. */
export const chosen = (image) => keyOf(image, { sketch: isSketch(editing), part: box.chosen() });

/** Search for what is chosen: in place of the example that it was opened from, where there is one. */
export function search(image) {
  const key = chosen(image), before = editing;
  if (before) closeImageThen(() => change(replaceExample(before, key)));
  else act("search", key);
}

function tell() {
  const on = Boolean(box.chosen());
  get("part").setAttribute("aria-pressed", String(on));
  get("search-it").textContent = on ? TEXT.searchPart : editing ? TEXT.searchWhole : TEXT.search;
  get("part-hint").hidden = on;
}

function toggle() {
  box.set(box.chosen() ? null : MIDDLE);
  if (box.chosen()) get("part-box").focus();
}

export function start() {
  box.start(tell);
  get("part").addEventListener("click", toggle);
  get("part-box").addEventListener("keydown", (event) => {
    if (event.key === "Escape") toggle();
    else if (event.key === "Enter") get("search-it").closest("button").click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
