// The justified grid of pictures: one stop of the Tab key, arrow keys within.

import { act, title } from "./actions.js";
import { get, h, name } from "./dom.js";
import { giveKeys } from "./drag.js";
import { inPlace, put } from "./fitted.js";
import { icon } from "./icons.js";
import { justify } from "./justify.js";
import { tellMissing, watchIn } from "./missing.js";
import { imageOf, thumbnail } from "./reference.js";
import { address, changed, searchFrom, state } from "./state.js";
import { TEXT, count, say } from "./strings.js";

const SKELETON = [1.4, 0.8, 1, 1.2, 0.7, 1.5, 1, 1.1, 0.9, 1.3, 0.75, 1.25, 1, 1.6, 0.85, 1.1, 0.7, 1.35, 1, 0.9, 1.2, 1.4, 0.8, 1];
const TOOLS = [["like", "plus", TEXT.addLike], ["unlike", "minus", TEXT.addUnlike], ["a", "A", TEXT.asA], ["b", "B", TEXT.asB], ["show", "look", TEXT.show]];
const TOOL_STRIP = h("span", { class: "tools" }, ...TOOLS.map(([action, sign, text]) => tool(action, sign, text)));
const AT_ONCE = 24; // pictures that are loaded whether they are in sight or not
const list = get("grid");
let ratios = [], width = 0;
const framed = new Map(); // key -> a hit that was found by a part of it

const aim = () => (width < 560 ? 128 : width < 1000 ? 172 : 204);
const gap = () => parseFloat(getComputedStyle(list).columnGap) || 8;

export const isEmpty = () => !list.querySelector(".tile");
export const hasFocus = () => list.contains(document.activeElement);

/** Show pictures in place of those before. */
export function show(hits) {
  list.replaceChildren();
  ratios = [];
  framed.clear();
  append(hits);
  tellMissing();
  const first = list.querySelector("a");
  if (first) first.tabIndex = 0;
}

/** Show more pictures after those before. */
export function append(hits) {
  list.classList.remove("waiting");
  width ||= list.clientWidth;
  const first = !ratios.length, height = aim();
  const tiles = hits.map((hit, at) => {
    const ratio = hit.width && hit.height ? hit.width / hit.height : 1;
    ratios.push(ratio);
    return tile(hit, height * Math.max(1, ratio), first && at < AT_ONCE);
  });
  arrange([...list.children, ...tiles]); // before they are shown, so that they are laid out once
  list.append(...tiles);
  mark(state());
}

/** Grey boxes where pictures will be. */
export function showWaiting() {
  ratios = [...SKELETON];
  list.classList.add("waiting");
  list.replaceChildren(...SKELETON.map(() => h("li", { class: "tile", "aria-hidden": "true" })));
  arrange();
  tellMissing();
}

export function clear() {
  ratios = [];
  list.classList.remove("waiting");
  list.replaceChildren();
  tellMissing();
}

export function focusFirst() {
  list.querySelector("a")?.focus({ preventScroll: true });
}

function tile(hit, side, atOnce) {
  const { key } = hit;
  const copies = hit.copies ? count(TEXT.copiesLeftOut, hit.copies) : "";
  const label = `${title(key)}${copies && ` ${copies}`}${hit.tags.length ? `: ${hit.tags.join(", ")}` : ""}`;
  const facts = h("span", { class: "facts" });
  if (hit.score !== null && hit.score !== undefined) {
    facts.append(h("span", { class: "score", "aria-label": say(TEXT.score, hit.score.toFixed(2)) }, hit.score.toFixed(2)));
  }
  const why = hit.why.filter((reason) => TEXT.why[reason]); // "meaning" alone goes without saying
  if (why.length) facts.append(h("span", { class: "why", "aria-hidden": "true" }, why.map((reason) => TEXT.why[reason]).join(" · ")));
  if (copies) facts.append(h("span", { class: "copies" }, copies));
  facts.append(h("span", { class: "shared" }, hit.tags.slice(0, 4).join(" · ") || title(key)));
  const picture = h("img", { src: thumbnail(key, side), alt: label, loading: atOnce ? "eager" : "lazy", decoding: "async", draggable: "false" });
  watchIn(picture, () => item, key);
  const link = h("a", {
    class: "picture", href: address(changed(searchFrom(key))), tabindex: "-1", draggable: "true",
    "aria-describedby": [...why.map((reason) => `why-${reason}`), ...(hit.box ? ["why-part"] : []), "tile-help"].join(" "),
  }, picture, facts);
  const tools = TOOL_STRIP.cloneNode(true);
  const item = h("li", { class: "tile", "data-key": key }, link, tools);
  if (hit.box) {
    framed.set(key, hit);
    link.append(h("span", { class: "found" }));
  }
  return item;
}

function tool(action, sign, text) {
  const button = h("button", { type: "button", tabindex: "-1", "data-act": action, class: `tool ${action}` });
  button.append(sign.length === 1 ? sign : icon(sign));
  return name(button, text);
}

function arrange(items = [...list.children]) {
  width ||= list.clientWidth;
  if (!width) return;
  const boxes = justify(ratios, width, aim(), gap());
  items.forEach((item, at) => {
    item.style.width = `${boxes[at].width}px`;
    item.style.height = `${boxes[at].height}px`;
    const hit = framed.get(item.dataset.key);
    if (hit) put(item.querySelector(".found"), inPlace(hit.box, [hit.width, hit.height], [boxes[at].width, boxes[at].height]));
  });
}

/** Show on the pictures what they are used for. */
export function mark(now) {
  const uses = new Map();
  const use = (key, sign) => key && uses.set(imageOf(key), [...(uses.get(imageOf(key)) ?? []), sign]);
  now.like.forEach((key) => use(key, "+"));
  now.unlike.forEach((key) => use(key, "−"));
  use(now.a, "A");
  use(now.b, "B");
  now.via.forEach((key) => use(key, "via"));
  for (const item of list.querySelectorAll("[data-key]")) {
    item.querySelector(".uses")?.remove();
    const signs = uses.get(item.dataset.key);
    if (!signs) continue;
    item.append(h("span", { class: "uses" }, ...signs.map((sign) =>
      h("span", { class: `use ${sign}`, role: "img", "aria-label": TEXT.badges[sign] }, sign === "via" ? icon("pin") : sign))));
  }
}

function focusOn(link) {
  if (!link) return;
  list.querySelector('a[tabindex="0"]')?.setAttribute("tabindex", "-1");
  link.tabIndex = 0;
  link.focus();
  link.parentElement.scrollIntoView({ block: "nearest" });
}

/** The picture in the row above or below whose middle is nearest. */
function beside(link, down) {
  const links = [...list.querySelectorAll("a")];
  const box = link.getBoundingClientRect(), middle = box.left + box.width / 2;
  const rows = links.map((each) => ({ each, box: each.getBoundingClientRect() }))
    .filter((other) => (down ? other.box.top > box.top + 1 : other.box.top < box.top - 1));
  const top = rows.length && (down ? Math.min(...rows.map((row) => row.box.top)) : Math.max(...rows.map((row) => row.box.top)));
  const away = (row) => Math.abs(row.box.left + row.box.width / 2 - middle);
  return rows.filter((row) => Math.abs(row.box.top - top) < 1).sort((one, two) => away(one) - away(two))[0]?.each;
}

function move(event) {
  const link = event.target.closest("a.picture");
  if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
  const links = [...list.querySelectorAll("a")], at = links.indexOf(link);
  const next = {
    ArrowRight: () => links[at + 1], ArrowLeft: () => links[at - 1], Home: () => links[0], End: () => links.at(-1),
    ArrowDown: () => beside(link, true), ArrowUp: () => beside(link, false),
  }[event.key];
  if (!next) return;
  event.preventDefault();
  focusOn(next());
}

export function start() {
  giveKeys(list);
  list.addEventListener("keydown", move);
  list.addEventListener("click", (event) => {
    const key = event.target.closest("[data-key]")?.dataset.key;
    const button = event.target.closest("[data-act]");
    if (button) act(button.dataset.act, key);
    else if (key && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
      event.preventDefault();
      act("search", key);
    }
  });
  list.addEventListener("focusin", (event) => {
    if (!event.target.matches("a.picture")) return;
    list.querySelector('a[tabindex="0"]')?.setAttribute("tabindex", "-1");
    event.target.tabIndex = 0;
  });
  new ResizeObserver(() => {
    if (list.clientWidth === width) return;
    width = list.clientWidth;
    if (ratios.length) arrange();
  }).observe(list);
}

/** The part of a picture that it was found by, or null. */
export const partFound = (key) => framed.get(key)?.box ?? null;
/** The pictures shown, in order: for the large view's next and previous. */
export const keys = () => [...list.querySelectorAll("[data-key]")].map((item) => item.dataset.key);
export const focusKey = (key) => focusOn(list.querySelector(`[data-key="${CSS.escape(key)}"] a`));
