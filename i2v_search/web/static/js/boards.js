// The panel of boards beside the pictures, on a phone a sheet over them: make, open, rename, delete, and drop pictures on.

import { boards, load, make, moveBoard, put, remove, rename, shown, tried, whenChanged } from "./boardlist.js";
import { get, h, name } from "./dom.js";
import { takeDrops } from "./drag.js";
import { together } from "./dragout.js";
import { icon } from "./icons.js";
import { notify } from "./notice.js";
import { thumbnail } from "./reference.js";
import { address, boardOf, change, changed, starredOnly, state, subscribe } from "./state.js";
import { TEXT, count, say } from "./strings.js";

const panel = get("boards"), list = get("board-list"), COVER = 4;

const narrow = () => matchMedia("(max-width: 44rem)").matches;

function opener(patch, current, ...content) {
  const link = h("a", { href: address(changed(patch)), "aria-current": current ? "true" : null }, ...content);
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    change(patch);
    if (narrow()) close();
  });
  return link;
}

function cover(keys) {
  const box = h("span", { class: "cover", "aria-hidden": "true" });
  for (const key of keys.slice(0, COVER)) box.append(h("img", { src: thumbnail(String(key), 44), alt: "", draggable: "false" }));
  return box;
}

function button(sign, label, run) {
  const made = name(h("button", { type: "button", class: "plain round" }, icon(sign)), label);
  made.addEventListener("click", run);
  return made;
}

function row(board) {
  const open = opener(boardOf(board.name), shown()?.id === board.id, cover(board.cover),
    h("span", { class: "name", dir: "auto" }, board.name), h("span", { class: "count" }, count(TEXT.board.size, board.size)));
  const item = h("li", { "data-board": board.id }, open,
    button("pen", say(TEXT.board.rename, board.name), () => askName(item, board)),
    button("bin", say(TEXT.board.delete, board.name), async () => { await remove(board); get("board-name").focus(); }));
  open.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (event.altKey) moveBoard(board, by).then(() => focusOn(board.id));
    else [...list.querySelectorAll("a")].at([...list.querySelectorAll("a")].indexOf(open) + by)?.focus();
  });
  takeDrops(item, ({ key, files }) => {
    if (files.length) notify(TEXT.board.onlyKept, "error");
    else put(board, together(key));
  });
  return item;
}

const itemOf = (id) => list.querySelector(`[data-board="${id}"]`);
const focusOn = (id) => itemOf(id)?.querySelector("a")?.focus();

/** A field in place of the name; Enter takes what is written there, Escape leaves it as it was. */
function askName(item, board) {
  const field = h("input", { type: "text", maxlength: "200", "data-of": board.id, "aria-label": say(TEXT.board.rename, board.name) });
  field.value = board.name;
  field.addEventListener("keydown", async (event) => {
    if (!["Enter", "Escape"].includes(event.key) || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter" && field.value.trim() && field.value.trim() !== board.name) await rename(board, field.value.trim());
    field.remove();
    draw();
    focusOn(board.id);
  });
  item.querySelector("a").replaceWith(field);
  field.select();
}

function draw() {
  if (panel.hidden) return;
  const starred = opener(starredOnly(), Boolean(state().starred) && !state().board, icon("star"), h("span", { class: "name" }, TEXT.board.starred));
  const field = list.querySelector("input"), held = document.activeElement;
  const at = [...list.querySelectorAll("[data-board]")].map((item) => [item.dataset.board, [...item.children].indexOf(held)]).find(([, place]) => place >= 0);
  list.replaceChildren(h("li", { class: "starred" }, starred), ...(boards() ?? []).map(row));
  if (field) itemOf(field.dataset.of)?.querySelector("a").replaceWith(field); // a name that is being written
  if (at) itemOf(at[0])?.children[at[1]]?.focus();
  get("boards-none").hidden = !boards() || boards().length > 0;
}

async function create(event) {
  event.preventDefault();
  const label = get("board-name").value.trim();
  if (!label) return;
  const made = await make(label);
  if (!made) return;
  get("board-name").value = "";
  focusOn(made.id);
}

export function open() {
  if (!get("folders").hidden) get("folders-button").click(); // one panel at a time
  panel.hidden = false;
  get("boards-button").setAttribute("aria-expanded", "true");
  draw();
  tried(load);
}

function close() {
  panel.hidden = true;
  get("boards-button").setAttribute("aria-expanded", "false");
  get("boards-button").focus();
}

export function start() {
  get("boards-button").addEventListener("click", () => (panel.hidden ? open() : close()));
  get("boards-close").addEventListener("click", close);
  get("folders-button").addEventListener("click", () => { if (!panel.hidden && !get("folders").hidden) { panel.hidden = true; get("boards-button").setAttribute("aria-expanded", "false"); } });
  get("board-form").addEventListener("submit", create);
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    close();
  });
  whenChanged(draw);
  subscribe((now, before) => { if (now.board !== before.board || now.starred !== before.starred) draw(); });
}
