// The panel of filters: what a picture looks like, when it was changed, how well it fits, and whether copies are shown.
// The map, which covers the pictures, shows the same panel.

import * as colourfilter from "./colourfilter.js";
import { get, h } from "./dom.js";
import { hasDials } from "./reference.js";
import { SHAPES, change, searching, state, subscribe } from "./state.js";
import { TEXT, balanceText } from "./strings.js";

const SIDES = ["minside", "maxside"], DAYS = ["after", "before"], CHOICES = ["rating", "shape", "animated"];

export function setRatings(names) {
  get("rating").replaceChildren(
    h("option", { value: "" }, TEXT.anyRating), ...names.map((each) => h("option", { value: each }, each)));
  get("rating-field").hidden = !names.length && !state().rating;
  get("rating").value = state().rating;
}

let known = false; // whether the encoder tells subject from style
export function setDials(has) {
  known = has;
  show(state());
}

/** What the map takes over, and what each lies before among the pictures. */
const TAKEN = [["filters-button", "saved-button"], ["filters", "saved"], ["conditions", "board-head"]];
function move(toMap) {
  const [button, ...rest] = TAKEN.map(([id]) => get(id));
  if (!toMap) return TAKEN.forEach(([id, next]) => get(next).before(get(id)));
  document.querySelector("#map-view .zoom").prepend(button);
  return document.querySelector(".map-head").prepend(...rest);
}

const least = () => (Number(get("min").value) > 0 ? Number(get("min").value) : null);

function label() {
  get("min-value").textContent = least() === null ? TEXT.anyScore : least().toFixed(2);
  const different = Number(get("different").value);
  get("different-value").textContent = different ? `${different * 10} %` : TEXT.notDiverse;
  get("balance-value").textContent = balanceText(Number(get("balance").value));
  get("balance").setAttribute("aria-valuetext", get("balance-value").textContent);
  get("min").setAttribute("aria-valuetext", get("min-value").textContent);
  get("different").setAttribute("aria-valuetext", get("different-value").textContent);
}

/** Take a field's value once it is one; what is not stays in the field, which then says so. */
function taken(field, read) {
  get(field).addEventListener("change", () => {
    if (get(field).reportValidity()) change({ [field]: read(get(field).value) }, { replace: true });
  });
}

function show(now) {
  for (const field of CHOICES) get(field).value = now[field];
  for (const field of [...SIDES, ...DAYS]) get(field).value = now[field] ?? "";
  get("min").value = now.min ?? 0;
  get("different").value = now.different;
  get("balance").value = now.balance;
  get("copies").checked = Boolean(now.copies);
  const map = now.view === "map"; // which is no list: nothing is ranked on it
  get("min-field").hidden = map || (!searching(now) && now.min === null);
  get("different-field").hidden = map || (!now.like.length && !now.unlike.length);
  get("balance-field").hidden = map || !(now.balance || (known && [...now.like, ...now.unlike].some(hasDials)));
  get("copies-field").hidden = map;
  get("different").disabled = !["", "likeness"].includes(now.order);
  label();
}

export function start() {
  get("shape").replaceChildren(h("option", { value: "" }, TEXT.anyShape), ...SHAPES.map((each) => h("option", { value: each }, TEXT.shapes[each])));
  get("animated").replaceChildren(h("option", { value: "" }, TEXT.anyAnimation), ...["1", "0"].map((each) => h("option", { value: each }, TEXT.animations[each])));
  for (const field of CHOICES) get(field).addEventListener("change", () => change({ [field]: get(field).value }));
  for (const field of SIDES) taken(field, (value) => (value ? Number(value) : null));
  for (const field of DAYS) taken(field, (value) => value);
  get("min").addEventListener("input", label);
  get("different").addEventListener("input", label);
  get("balance").addEventListener("input", label);
  get("balance").addEventListener("change", () => change({ balance: Number(get("balance").value) }, { replace: true }));
  get("min").addEventListener("change", () => change({ min: least() }, { replace: true }));
  get("different").addEventListener("change", () => change({ different: Number(get("different").value) }, { replace: true }));
  get("copies").addEventListener("change", () => change({ copies: get("copies").checked ? "1" : "" }, { replace: true }));
  colourfilter.start();
  subscribe((now, before) => {
    if (now.view !== before.view) move(now.view === "map");
    show(now);
  });
}
