// Favourites: a star on tiles, in the large view and in the selection; the key * sets and takes it.

import * as api from "./api.js";
import { keepable, tried } from "./boardlist.js";
import { get, h, name } from "./dom.js";
import * as grid from "./grid.js";
import { icon } from "./icons.js";
import { announce } from "./notice.js";
import { uploaded } from "./reference.js";
import { refresh } from "./results.js";
import { state, subscribe } from "./state.js";
import { TEXT, count } from "./strings.js";

let starred = new Set();

/** Learn which pictures are favourites. */
export const load = () => tried(async () => {
  starred = new Set((await api.stars()).ids.map(String));
  show();
});

function show() {
  grid.mark(state());
  draw();
}

/** Make pictures favourites, or no longer where all are. */
export const toggle = (keys) => tried(async () => {
  const images = keepable(keys);
  if (!images.length) return;
  const on = !images.every((key) => starred.has(key));
  await api.star(images, on);
  for (const key of images) {
    if (on) starred.add(key);
    else starred.delete(key);
  }
  announce(count(on ? TEXT.board.nowStarred : TEXT.board.nowPlain, images.length));
  if (state().starred && !on) await refresh();
  show();
});

/** Show on a tile whether its picture is a favourite, with a button to change that. */
function dress(item, key) {
  const on = starred.has(key), tools = item.querySelector(".tools");
  const button = tools.querySelector(".star") ?? tools.appendChild(
    name(h("button", { type: "button", tabindex: "-1", class: "tool star" }, icon("star")), TEXT.board.star));
  button.setAttribute("aria-pressed", String(on));
  item.classList.toggle("starred", on);
  const mark = item.querySelector(".star-mark");
  if (on && !mark) item.append(h("span", { class: "star-mark", role: "img", "aria-label": TEXT.board.isStarred }, icon("star")));
  else if (!on) mark?.remove();
}

function draw() {
  const key = state().image;
  get("keep-one").hidden = !key || uploaded(key);
  get("detail-star").setAttribute("aria-pressed", String(starred.has(key)));
}

export function start() {
  grid.whenDrawn(dress);
  get("grid").addEventListener("click", (event) => {
    const key = event.target.closest(".star") && event.target.closest("[data-key]")?.dataset.key;
    if (key) toggle([key]);
  });
  get("detail-star").addEventListener("click", () => toggle([state().image]));
  subscribe((now, before) => { if (now.image !== before.image) draw(); });
}
