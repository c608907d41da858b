// The filters in force, as chips that can be taken away, each or all.

import { get, h, name } from "./dom.js";
import { icon } from "./icons.js";
import { change, clearFilters, state, subscribe } from "./state.js";
import { TEXT, balanceText, say } from "./strings.js";

const EITHER = {
  rating: (value) => [say(TEXT.ratingIs, value), { rating: "" }],
  min: (value) => [say(TEXT.scoreFrom, value.toFixed(2)), { min: null }],
  different: (value) => [say(TEXT.diverseBy, value * 10), { different: 0 }],
  balance: (value) => [balanceText(value), { balance: 0 }],
  copies: () => [TEXT.withCopies, { copies: "" }],
  shape: (value) => [TEXT.shapes[value], { shape: "" }],
  minside: (value) => [say(TEXT.sideFrom, value.toLocaleString()), { minside: null }],
  maxside: (value) => [say(TEXT.sideTo, value.toLocaleString()), { maxside: null }],
  animated: (value) => [TEXT.animations[value], { animated: "" }],
  after: (value) => [say(TEXT.changedFrom, dayOf(value)), { after: "" }],
  before: (value) => [say(TEXT.changedTo, dayOf(value)), { before: "" }],
  colour: (value) => [value, { colour: "" }],
  board: (value) => [say(TEXT.board.on, value), { board: "" }],
  starred: () => [TEXT.board.starred, { starred: "" }],
};
const LISTED = ["min", "different", "balance", "copies"]; // which say nothing of a map
const dayOf = (text) => new Date(`${text}T00:00:00`).toLocaleDateString();

/** Filters of a state: [field, words, what takes it away]. */
export const inForce = (wanted) =>
  Object.keys(EITHER).filter((field) => wanted[field] && (wanted.view !== "map" || !LISTED.includes(field))).map((field) => [field, ...EITHER[field](wanted[field])]);

function chip([field, text, patch]) {
  const remove = name(h("button", { type: "button", class: "remove" }, icon("close")), say(TEXT.removeFilter, text));
  remove.addEventListener("click", () => {
    const at = [...get("conditions").querySelectorAll("button")].indexOf(remove);
    change(patch);
    const left = get("conditions").querySelectorAll(".remove");
    (left[Math.min(at, left.length - 1)] ?? get("filters-button")).focus();
  });
  const drop = field === "colour" ? h("span", { class: "drop", "aria-hidden": "true" }) : null;
  if (drop) drop.style.background = text;
  return h("li", { class: "wanted", "data-field": field }, drop, h("span", {}, text), remove);
}

function draw(now) {
  const chips = inForce(now).map(chip);
  const all = h("button", { type: "button", class: "link" }, TEXT.clearFilters);
  all.addEventListener("click", () => { change(clearFilters()); get("filters-button").focus(); });
  get("conditions").replaceChildren(...chips, ...(chips.length > 1 ? [h("li", {}, all)] : []));
  get("conditions").hidden = !chips.length;
  get("filters-count").textContent = chips.length || "";
}

export function start() {
  subscribe((now, before) => {
    if (now.view !== before.view || !get("conditions").children.length || Object.keys(EITHER).some((field) => now[field] !== before[field])) draw(now);
  });
  draw(state());
}
