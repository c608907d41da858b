// The justified grid of pictures: one stop of the Tab key, arrow keys within. Of all pictures that were loaded only
// those in sight and around it have tiles, which are filled again as one scrolls.

import { act } from "./actions.js";
import { get, h } from "./dom.js";
import { giveKeys } from "./drag.js";
import { ratio } from "./glimpse.js";
import { justified } from "./justify.js";
import { forgetMissing } from "./missing.js";
import { imageOf } from "./reference.js";
import { state } from "./state.js";
import * as tile from "./tile.js";

const SKELETON = [1.4, 0.8, 1, 1.2, 0.7, 1.5, 1, 1.1, 0.9, 1.3, 0.75, 1.25, 1, 1.6, 0.85, 1.1, 0.7, 1.35, 1, 0.9, 1.2, 1.4, 0.8, 1];
const AROUND = 700; // pixels above and below the window that have tiles, too
const NAME = 24; // pixels that a name takes
const TALLEST = 15_000_000; // pixels; no browser shows an element of more than twice that
const START = { at: 0, away: 0, scrolled: NaN }; // a picture at the top, how far below it, and how far the page is scrolled
const list = get("grid");
let hits = [], all = [], of = -1; // pictures loaded, their keys, and how many there are in all (-1: unknown)
let layout = justified({ width: 0, aim: 1, gap: 0 });
let width = 0, stop = 0, held = -1, seen = START;
let uses = new Map(); // key -> signs of what it is used for
const tiles = new Map(), spare = []; // place among the hits -> tile; and tiles without a picture
const framed = new Map(); // key -> part of the picture that it was found by
const dressers = [];

let scale = 1, below = 0; // of the pictures' usual height; and pixels under each for its name
const aim = () => scale * (width < 560 ? 128 : width < 1000 ? 172 : 204);
const gap = () => parseFloat(getComputedStyle(list).columnGap) || 8;

export const isEmpty = () => !list.firstElementChild;
export const hasFocus = () => list.contains(document.activeElement);
/** Whether no more pictures can be shown below these. */
export const isFull = () => layout.height > TALLEST;
/** The keys of all pictures loaded, in order. */
export const keys = () => all;
/** The part of a picture that it was found by, or null. */
export const partFound = (key) => framed.get(key) ?? null;

/** Show pictures in place of those before, scrolled so far; `total` is how many there are in all, -1 if unknown. */
export function show(found, { total = -1, scroll = 0 } = {}) {
  clear();
  load(found, total);
  scrollTo({ top: scroll });
  draw();
}

/** Show more pictures after those before. */
export function append(found, total = -1) {
  load(found, total);
  draw();
}

function load(found, total) {
  for (const hit of found) {
    if (hit.box) framed.set(hit.key, hit.box);
    hits.push(hit);
    all.push(hit.key);
  }
  of = total;
  layout.add(found.map(ratio));
  list.style.height = `${layout.height}px`;
  for (const [at, item] of tiles) put(at, item); // the last row is another one now
  mark(state());
}

/** Grey boxes where pictures will be. */
export function showWaiting() {
  clear();
  list.classList.add("waiting");
  lay(SKELETON);
  list.replaceChildren(...SKELETON.map((_, at) => {
    const box = h("li", { class: "tile", "aria-hidden": "true" });
    for (const [side, pixels] of Object.entries(layout.box(at))) box.style[side] = `${pixels}px`;
    return box;
  }));
}

export function clear() {
  for (const at of [...tiles.keys()]) release(at);
  [hits, all, of, stop, held, seen] = [[], [], -1, 0, -1, START];
  framed.clear();
  lay([]);
  list.classList.remove("waiting");
  list.replaceChildren();
  forgetMissing();
}

/** Lay out pictures of these ratios anew. */
function lay(ratios) {
  width = list.clientWidth || width;
  layout = justified({ width, aim: aim(), gap: gap(), below });
  layout.add(ratios);
  list.style.height = `${layout.height}px`;
}

/** Show pictures at so many times their usual height, and their names below. */
export function look(wanted) {
  [scale, below] = [wanted.scale, wanted.names ? NAME : 0];
  for (const at of [...tiles.keys()]) release(at); // other sizes of the thumbnails may be needed
  arrange();
}

/** Lay out all again, for another width; what was in sight stays. */
function arrange() {
  if (list.classList.contains("waiting")) return showWaiting();
  if (!hits.length) return;
  lay(hits.map(ratio));
  for (const [at, item] of tiles) put(at, item);
  if (seen.scrolled > 0) {
    scrollTo({ top: scrollY + list.getBoundingClientRect().top + layout.box(seen.at).top - seen.away });
    seen.scrolled = scrollY;
  }
  draw();
}

const put = (at, item) => {
  tile.place(item, hits[at], layout.box(at));
  item.setAttribute("aria-setsize", of);
};
const placeOf = (element) => Number(element?.closest("#grid [data-key]")?.getAttribute("aria-posinset") ?? 0) - 1;

function release(at) {
  const item = tiles.get(at);
  tiles.delete(at);
  tile.vacate(item);
  spare.push(item);
}

function take(at) {
  const item = spare.pop() ?? tile.empty();
  tile.fill(item, hits[at], aim());
  put(at, item);
  item.setAttribute("aria-posinset", at + 1);
  tiles.set(at, item);
  dress(at);
  return item;
}

/** Give tiles to what is in sight and around it, and keep those that have the focus or are dragged. */
function draw() {
  if (!hits.length || !list.clientWidth) return;
  const top = -list.getBoundingClientRect().top;
  const [from, to] = layout.between(top - AROUND, top + innerHeight + AROUND);
  const first = layout.first(layout.rowAt(top));
  if (scrollY !== seen.scrolled) seen = { at: first, away: layout.box(first).top - top, scrolled: scrollY };
  const focused = placeOf(document.activeElement);
  if (focused < 0 && (stop < first || stop >= to)) stop = first;
  const kept = [focused, held].filter((at) => at >= 0 && (at < from || at >= to));
  for (const at of [...tiles.keys()]) if ((at < from || at >= to) && !kept.includes(at)) release(at);
  const wanted = [...kept, ...Array.from({ length: to - from }, (_, at) => from + at)].sort((one, two) => one - two);
  let next = list.firstElementChild; // tiles stay in the order of the pictures
  for (const at of new Set(wanted)) {
    const item = tiles.get(at) ?? take(at);
    if (item === next) next = next.nextElementSibling;
    else list.insertBefore(item, next);
    tile.linkOf(item).tabIndex = at === stop ? 0 : -1;
  }
}

/** Let `dresser` change a tile of a key whenever it is filled, or the pictures are marked anew. */
export const whenDrawn = (dresser) => dressers.push(dresser);
function dress(at) {
  const item = tiles.get(at), key = all[at];
  tile.badge(item, uses.get(key));
  for (const dresser of dressers) dresser(item, key);
}

/** Show on the pictures what they are used for. */
export function mark(now) {
  uses = new Map();
  const use = (key, sign) => key && uses.set(imageOf(key), [...(uses.get(imageOf(key)) ?? []), sign]);
  now.like.forEach((key) => use(key, "+"));
  now.unlike.forEach((key) => use(key, "−"));
  use(now.a, "A");
  use(now.b, "B");
  now.via.forEach((key) => use(key, "via"));
  for (const at of tiles.keys()) dress(at);
}

function focusOn(at) {
  if (!(at >= 0 && at < hits.length)) return;
  stop = held = at;
  draw();
  const link = tile.linkOf(tiles.get(at));
  link.focus({ preventScroll: true });
  held = -1;
  link.parentElement.scrollIntoView({ block: "nearest" });
  draw();
}
export const focusKey = (key) => focusOn(all.indexOf(key));
/** Give the focus to the first picture in sight. */
export const focusFirst = () => list.querySelector('a[tabindex="0"]')?.focus({ preventScroll: true });

/** The picture of a row whose middle is nearest to that of another picture. */
function nearest(row, at) {
  const middle = (each) => layout.box(each).left + layout.box(each).width / 2;
  let best = layout.first(row);
  for (let each = best + 1; each < layout.first(row + 1); each += 1) {
    if (Math.abs(middle(each) - middle(at)) < Math.abs(middle(best) - middle(at))) best = each;
  }
  return best;
}
function rowsOn(at, rows) {
  const row = layout.rowOf(at) + rows;
  return row >= 0 && row < layout.rows ? nearest(row, at) : at;
}
/** A window's height on (1) or back (-1), but at least a row. */
function pageOn(at, way) {
  const row = layout.rowOf(at), far = layout.rowAt(layout.box(at).top + way * innerHeight * 0.8);
  return nearest(Math.min(layout.rows - 1, Math.max(0, far === row ? row + way : far)), at);
}

function move(event) {
  const at = event.target.matches("a.picture") ? placeOf(event.target) : -1;
  if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const next = {
    ArrowRight: () => at + 1, ArrowLeft: () => at - 1, Home: () => 0, End: () => hits.length - 1,
    ArrowDown: () => rowsOn(at, 1), ArrowUp: () => rowsOn(at, -1), PageDown: () => pageOn(at, 1), PageUp: () => pageOn(at, -1),
  }[event.key];
  if (!next) return;
  event.preventDefault();
  focusOn(next());
}

/** Where a loaded picture lies in the document, in pixels, whether it has a tile or not; null for others. */
export function boxOf(key) {
  const at = all.indexOf(key);
  if (at < 0) return null;
  const { left, top } = list.getBoundingClientRect(), box = layout.box(at);
  return { ...box, left: box.left + left + scrollX, top: box.top + top + scrollY };
}
/** The keys of the loaded pictures that lie in a box of the document, as far as only in part, in order. */
export function within({ left, top, width: wide, height: tall }) {
  const edge = list.getBoundingClientRect(), x = left - edge.left - scrollX, y = top - edge.top - scrollY;
  const [from, to] = layout.between(y, y + tall);
  return all.slice(from, to).filter((_, n) => {
    const box = layout.box(from + n);
    return box.left < x + wide && box.left + box.width > x && box.top < y + tall && box.top + box.height > y;
  });
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
    stop = placeOf(event.target);
  });
  list.addEventListener("dragstart", (event) => { held = placeOf(event.target); });
  list.addEventListener("dragend", () => { held = -1; });
  addEventListener("scroll", draw, { passive: true });
  addEventListener("resize", draw);
  let hidden = false;
  new ResizeObserver(() => {
    if (list.clientWidth && (hidden || list.clientWidth !== width)) arrange();
    hidden = !list.clientWidth;
  }).observe(list);
}
