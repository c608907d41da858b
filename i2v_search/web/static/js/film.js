// The filmstrip: A, the pictures between, B; with the angle of every hop, and what can be said about each.

import { act, actionOf, title } from "./actions.js";
import { get, h, name } from "./dom.js";
import { giveKeys, takeDrops } from "./drag.js";
import { crisp, cutMark } from "./glimpse.js";
import { icon } from "./icons.js";
import { watchIn } from "./missing.js";
import { thumbnail, toText } from "./reference.js";
import { receive } from "./uploads.js";
import { change, goThrough, state } from "./state.js";
import { TEXT, say } from "./strings.js";

const list = get("film");
let onChosen = () => {};
export const degrees = (radians) => Math.round((radians * 180) / Math.PI);

/** Show the stops of a morph. */
export function show(stops) {
  list.classList.remove("waiting");
  list.replaceChildren(...stops.map((stop, at) => frame(stop, at, stops.length)));
  list.scrollLeft = 0;
}

export function showWaiting(number) {
  list.classList.add("waiting");
  list.replaceChildren(...Array.from({ length: number }, () => h("li", { class: "frame", "aria-hidden": "true" })));
}

export function clear() {
  list.replaceChildren();
}

/** Mark the frame that the player is at. */
export function point(at) {
  [...list.children].forEach((item, each) => item.classList.toggle("now", each === at));
}

/** Bring a frame into sight within the film, and move nothing else. */
export function reveal(at) {
  const item = list.children[at];
  if (!item) return;
  const left = item.offsetLeft - list.offsetLeft;
  if (left < list.scrollLeft || left + item.offsetWidth > list.scrollLeft + list.clientWidth) list.scrollLeft = left - 40;
}

function frame(stop, at, length) {
  const end = at === 0 ? "a" : at === length - 1 ? "b" : "";
  const via = stop.text ? toText(stop.text) : stop.key; // as the state knows it
  const facts = [...new Set([title(via), title(stop.key)]), ...(stop.tags.length ? [stop.tags.join(", ")] : [])].join(": ");
  const label = say(TEXT.frame, at + 1, length, facts);
  const picture = crisp(h("img", { src: thumbnail(stop.key, 240), alt: label, decoding: "async", draggable: "false" }));
  watchIn(picture, () => item, stop.key);
  const hold = h("button", { type: "button", class: "picture", draggable: "true", tabindex: at ? "-1" : "0" }, picture, cutMark(stop.key));
  hold.addEventListener("click", () => onChosen(at));
  const tools = h("span", { class: "tools" });
  const tool = (action, sign, text) =>
    tools.append(name(h("button", { type: "button", tabindex: "-1", class: "tool", "data-act": action }, icon(sign)), text));
  if (stop.waypoint) tool("unpin", "close", TEXT.unpin);
  if (stop.text || !(end || stop.waypoint)) tool("out", "without", TEXT.exclude);
  tool("search", "search", TEXT.search);
  tool("show", "look", TEXT.show);
  const sign = end ? h("span", { class: `use ${end.toUpperCase()}`, "aria-hidden": "true" }, end.toUpperCase())
    : stop.waypoint ? h("span", { class: "use via", role: "img", "aria-label": TEXT.badges.via }, icon("pin")) : null;
  const item = h("li", { class: `frame ${end} ${stop.waypoint ? "via" : ""}`, "data-key": stop.key, "data-via": via },
    h("div", { class: "sheet" }, hold, sign, tools),
    h("div", { class: "caption" },
      at ? h("span", { class: "hop", role: "img", "aria-label": say(TEXT.hopFrom, degrees(stop.hop)), title: say(TEXT.hopFrom, degrees(stop.hop)) }, say(TEXT.hop, degrees(stop.hop))) : null,
      h("span", { class: "words", dir: "auto" }, (!stop.text && stop.tags.slice(0, 2).join(", ")) || title(via))));
  return item;
}

const actOn = (item, action) => act(action, action === "unpin" ? item.dataset.via : item.dataset.key);

/** Where in the list of waypoints something dropped here belongs: after those that lie before. */
function placeAt(x) {
  const before = [...list.children].filter((item) => {
    const box = item.getBoundingClientRect();
    return box.left + box.width / 2 < x;
  });
  return before.filter((item) => item.classList.contains("via")).length;
}

function pressed(event) {
  const item = event.target.closest("[data-key]");
  if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
  const items = [...list.children], at = items.indexOf(item);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    focusOn(to);
  } else if (event.key === "x") {
    event.stopPropagation();
    const way = item.querySelector("[data-act=out], [data-act=unpin]");
    if (way) actOn(item, way.dataset.act);
  } else if (actionOf(event.key) && event.key !== " ") {
    event.preventDefault();
    event.stopPropagation();
    act(actionOf(event.key), item.dataset.key);
  }
}

export function focusOn(at) {
  const item = list.children[Math.max(0, Math.min(at, list.children.length - 1))];
  if (!item?.dataset.key) return;
  for (const hold of list.querySelectorAll(".picture")) hold.tabIndex = -1;
  item.querySelector(".picture").tabIndex = 0;
  item.querySelector(".picture").focus({ preventScroll: true });
  reveal(at);
}
export const focusedAt = () => [...list.children].findIndex((item) => item.contains(document.activeElement));

export function start(chosen) {
  onChosen = chosen;
  giveKeys(list);
  list.addEventListener("keydown", pressed);
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (button) actOn(button.closest("[data-key]"), button.dataset.act);
  });
  takeDrops(list, async ({ key, files, event }) => {
    const at = placeAt(event.clientX);
    const through = key || (files[0] && (await receive(files[0])));
    if (through && through !== state().a && through !== state().b) change(goThrough(through, at));
  });
}
