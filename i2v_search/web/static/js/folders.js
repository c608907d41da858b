// The panel of folders: a tree beside the pictures, on a phone a sheet over them. Only rows in sight are in the document.

import * as api from "./api.js";
import { get, h } from "./dom.js";
import { rowsOf, treeOf } from "./foldertree.js";
import { icon } from "./icons.js";
import { addFolder, change, removeFolder, state, subscribe } from "./state.js";
import { TEXT, count } from "./strings.js";
import { parseName, writeName } from "./tagquery.js";

const AROUND = 8; // rows beyond those in sight
const TYPING = 700; // milliseconds within which letters make one word
const panel = get("folders"), tree = get("folder-tree");
const open = new Set();
let loaded = null, all = { folders: new Map(), tops: [] }, rows = [], current = "", typedWord = { text: "", at: 0 };

/** The folders of the collection: asked for once, again after a failure. */
export function load() {
  loaded ??= api.folders().then(treeOf).catch((failure) => { loaded = null; throw failure; });
  return loaded;
}

const rowHeight = () => parseFloat(getComputedStyle(tree).getPropertyValue("--row")) || 34;
const indexOf = (path) => rows.findIndex(({ folder }) => folder.path === path);

/** Lay the rows out again, after folders were opened, closed or chosen. */
function arrange() {
  rows = rowsOf(all, open);
  if (indexOf(current) < 0) current = rows[0]?.folder.path ?? "";
  draw();
}

function draw() {
  const height = rowHeight(), focused = tree.contains(document.activeElement);
  const first = Math.max(0, Math.floor(tree.scrollTop / height) - AROUND);
  const end = Math.min(rows.length, Math.ceil((tree.scrollTop + tree.clientHeight) / height) + AROUND);
  const at = indexOf(current), shown = [...Array(end - first).keys()].map((number) => first + number);
  if (at >= 0 && (at < first || at >= end)) shown.push(at); // the Tab key finds it wherever it is
  tree.replaceChildren(h("li", { role: "presentation", class: "length" }), ...shown.map((number) => row(number, height)));
  tree.firstChild.style.height = `${rows.length * height}px`;
  if (focused) tree.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
}

function row(number, height) {
  const { folder, place, beside } = rows[number], chosen = state().folder.includes(writeName(folder.path)), held = folder.children.length > 0;
  const item = h("li", {
    role: "treeitem", "data-path": folder.path, tabindex: folder.path === current ? "0" : "-1", title: folder.path,
    "aria-level": folder.level, "aria-posinset": place, "aria-setsize": beside, "aria-selected": String(chosen),
    "aria-expanded": held ? String(open.has(folder.path)) : null, "aria-label": `${folder.name}, ${count(TEXT.everything, folder.images)}`,
  }, h("span", { class: "turn" }, held ? icon("right") : ""), icon("folder"), h("span", { class: "name", dir: "auto" }, folder.name), h("span", { class: "count" }, folder.images.toLocaleString()));
  item.style.top = `${number * height}px`;
  item.style.setProperty("--level", folder.level - 1);
  return item;
}

/** Show only pictures of a folder; `also` beside those of others. A folder that is chosen is left again. */
function choose(path, also) {
  const chosen = state().folder, written = writeName(path);
  if (chosen.includes(written) && (also || chosen.length === 1)) change(removeFolder(written));
  else change(also ? addFolder(written) : { folder: [written] });
  if (matchMedia("(max-width: 44rem)").matches && !also) close();
}

function turn(path, wanted = !open.has(path)) {
  if (wanted) open.add(path);
  else open.delete(path);
  arrange();
}

/** Make a row the one that has the focus, in sight. */
function focusOn(path) {
  if (path === undefined) return;
  current = path;
  const top = indexOf(path) * rowHeight();
  if (top < tree.scrollTop) tree.scrollTop = top;
  else if (top + rowHeight() > tree.scrollTop + tree.clientHeight) tree.scrollTop = top + rowHeight() - tree.clientHeight;
  draw();
  tree.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
}

function pressed(event) {
  if (event.altKey || event.metaKey || (event.ctrlKey && event.key !== "Enter")) return;
  const at = indexOf(current), folder = rows[at]?.folder;
  if (!folder) return;
  const page = Math.max(1, Math.floor(tree.clientHeight / rowHeight()) - 1), isOpen = open.has(folder.path), held = folder.children.length > 0;
  const to = (place) => () => focusOn(rows[Math.max(0, Math.min(rows.length - 1, place))].folder.path);
  const way = {
    ArrowDown: to(at + 1), ArrowUp: to(at - 1), Home: to(0), End: to(rows.length - 1), PageDown: to(at + page), PageUp: to(at - page),
    ArrowRight: () => held && (isOpen ? focusOn(folder.children[0].path) : turn(folder.path, true)),
    ArrowLeft: () => (held && isOpen ? turn(folder.path, false) : focusOn(folder.parent?.path)),
    Enter: () => choose(folder.path, event.ctrlKey || event.shiftKey), " ": () => choose(folder.path, true),
  }[event.key] ?? (event.key.length === 1 ? () => typeAhead(event.key, at) : null);
  if (!way) return;
  event.preventDefault();
  way();
}

/** Go to the next row whose name begins with the letters typed in a row. */
function typeAhead(letter, at) {
  const now = performance.now(), goesOn = now - typedWord.at < TYPING;
  typedWord = { text: (goesOn ? typedWord.text : "") + letter.toLowerCase(), at: now };
  const from = goesOn ? at : at + 1;
  const found = [...rows.slice(from), ...rows.slice(0, from)].find(({ folder }) => folder.name.toLowerCase().startsWith(typedWord.text));
  focusOn(found?.folder.path);
}

async function show() {
  panel.hidden = false;
  get("folders-button").setAttribute("aria-expanded", "true");
  try {
    all = await load();
    if (!open.size && all.tops.length === 1) open.add(all.tops[0].path);
    for (const { name } of state().folder.map(parseName)) reveal(all.folders.get(name)?.parent);
    tell(all.tops.length ? "" : TEXT.noFolders);
    arrange();
    const [chosen] = state().folder.map((text) => parseName(text).name).filter((path) => indexOf(path) >= 0);
    if (!panel.hidden && rows.length) focusOn(chosen ?? current);
  } catch (failure) {
    if (!(failure instanceof api.ApiError)) throw failure;
    tell(failure.message, true);
  }
}
function reveal(folder) {
  for (let above = folder; above; above = above.parent) open.add(above.path);
}
function tell(text, again = false) {
  get("folders-message").hidden = !text;
  get("folders-message").firstElementChild.textContent = text;
  get("folders-again").hidden = !again;
}

function close() {
  panel.hidden = true;
  get("folders-button").setAttribute("aria-expanded", "false");
  get("folders-button").focus();
}

export function start() {
  get("folders-button").addEventListener("click", () => (panel.hidden ? show() : close()));
  get("folders-close").addEventListener("click", close);
  get("folders-again").addEventListener("click", show);
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    close();
  });
  tree.addEventListener("keydown", pressed);
  tree.addEventListener("scroll", draw, { passive: true });
  tree.addEventListener("click", (event) => {
    const path = event.target.closest("[role=treeitem]")?.dataset.path;
    if (path === undefined) return;
    current = path;
    if (event.target.closest(".turn .icon, .turn:has(.icon)")) turn(path);
    else choose(path, event.ctrlKey || event.metaKey || event.shiftKey);
    focusOn(path);
  });
  new ResizeObserver(() => { if (!panel.hidden) draw(); }).observe(tree);
  subscribe((now, before) => { if (now.folder !== before.folder && !panel.hidden) draw(); });
}
