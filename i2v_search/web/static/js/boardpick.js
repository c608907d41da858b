// Choosing the board that pictures are put on: a list to press, or a name for a new one.

import { boards, keepable, load, make, put, tried } from "./boardlist.js";
import { get, h } from "./dom.js";
import { icon } from "./icons.js";
import { notify } from "./notice.js";
import { state } from "./state.js";
import { TEXT, count } from "./strings.js";

const dialog = get("board-pick");
let keys = [];

/** Ask which board pictures are put on. */
export async function choose(pictures) {
  keys = keepable(pictures);
  if (!keys.length) return notify(TEXT.board.onlyKept, "error");
  get("pick-title").textContent = count(TEXT.board.putTitle, keys.length);
  get("pick-name").value = "";
  await tried(load);
  draw();
  dialog.showModal();
  (get("pick-list").querySelector("button") ?? get("pick-name")).focus();
  return undefined;
}

function draw() {
  get("pick-list").replaceChildren(...(boards() ?? []).map((board) => {
    const button = h("button", { type: "button", class: "plain", "data-board": board.id }, icon("board"),
      h("span", { class: "name", dir: "auto" }, board.name), h("span", { class: "count" }, board.size.toLocaleString()));
    button.addEventListener("click", () => done(board));
    return h("li", {}, button);
  }));
}

async function done(board) {
  dialog.close();
  await put(board, keys);
}

function moved(event) {
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!by || event.target === get("pick-name") && by > 0) return;
  event.preventDefault();
  const stops = [...get("pick-list").querySelectorAll("button"), get("pick-name")];
  stops[stops.indexOf(document.activeElement) + by]?.focus();
}

export function start() {
  get("detail-board").addEventListener("click", () => choose([state().image]));
  get("pick-close").addEventListener("click", () => dialog.close());
  get("pick-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const label = get("pick-name").value.trim();
    const known = label && (boards() ?? []).find(({ name }) => name === label);
    const board = label && (known || await make(label));
    if (board) done(board);
  });
  dialog.addEventListener("keydown", moved);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}
