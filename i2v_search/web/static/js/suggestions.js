// The list under the search field: what can be taken, in sections that say what it is.

import { get, h } from "./dom.js";
import { icon } from "./icons.js";

const field = get("search"), list = get("suggestions");
let offered = [], active = -1, onTake = () => {};

const options = () => [...list.querySelectorAll("[role=option]")];

/** Offers that stand together, under the name of their section. */
function sections(offers) {
  const parts = [];
  offers.forEach((offer, at) => {
    if (parts.at(-1)?.name !== offer.section) parts.push({ name: offer.section, rows: [] });
    parts.at(-1).rows.push(option(offer, at));
  });
  return parts.map(({ name, rows }) =>
    h("li", { role: "group", "aria-label": name }, h("p", { class: "section", "aria-hidden": "true" }, name), ...rows));
}

function option(offer, at) {
  const row = h("div", { role: "option", id: `suggestion-${at}` },
    icon(offer.sign), h("span", { class: "word", dir: "auto" }, offer.text),
    h("span", { class: "kind" }, offer.kind ?? ""), h("span", { class: "count" }, offer.count ?? ""));
  row.addEventListener("pointerdown", (event) => { event.preventDefault(); onTake(offer); });
  return row;
}

/** Show offers; the first is what Enter takes where words are typed. */
export function show(offers, heading = "") {
  offered = offers;
  active = -1;
  list.replaceChildren(...sections(offers));
  list.hidden = !offers.length;
  get("suggestions-title").textContent = heading;
  get("suggestions-box").hidden = !offers.length && !heading;
  field.setAttribute("aria-expanded", String(offers.length > 0));
  mark();
}

export const isOpen = () => !get("suggestions-box").hidden;
/** The offer that one moved to, or undefined. */
export const chosen = () => offered[active];

/** Number of the offer that Enter takes, or -1. */
const taken = () => (active < 0 && field.value.trim() ? 0 : active);

/** Show what Enter takes; it is read out only where one moved to it. */
function mark() {
  options().forEach((row, at) => row.setAttribute("aria-selected", String(at === taken())));
  if (active < 0) return field.removeAttribute("aria-activedescendant");
  field.setAttribute("aria-activedescendant", `suggestion-${active}`);
  return options()[active].scrollIntoView({ block: "nearest" });
}

/** Move to the offer after (1) or before (-1); false where there is none. */
export function move(step) {
  if (!offered.length) return false;
  const from = taken();
  active = (Math.max(from, step < 0 ? 0 : -1) + step + offered.length) % offered.length;
  mark();
  return true;
}

/** What is typed has changed: Enter takes that. */
export function unchoose() {
  active = -1;
  mark();
}

export const start = (whenTaken) => { onTake = whenTaken; };
