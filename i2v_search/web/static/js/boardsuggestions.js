// Pictures that may belong on the board that is shown, by what is learned from those on it; each is put on it by a press.

import { title } from "./actions.js";
import * as api from "./api.js";
import { put, shown, tried } from "./boardlist.js";
import { get, h, name } from "./dom.js";
import { crisp } from "./glimpse.js";
import { announce } from "./notice.js";
import { thumbnail } from "./reference.js";
import { subscribe } from "./state.js";
import { TEXT, count, say } from "./strings.js";

const list = get("board-suggestions"), button = get("board-suggest");

function close() {
  get("suggested").hidden = true;
  list.replaceChildren();
  button.setAttribute("aria-expanded", "false");
}

async function ask() {
  const board = shown(), found = await tried(() => api.suggestions(board.id));
  if (!found || shown()?.id !== board.id) return;
  list.replaceChildren(...found.map((picture) => suggestion(board, picture.key)));
  get("suggested").hidden = false;
  button.setAttribute("aria-expanded", "true");
  announce(count(TEXT.board.suggested, found.length));
}

function suggestion(board, key) {
  const picture = crisp(h("img", { src: thumbnail(key, 110), alt: "", draggable: "false" }));
  const made = name(h("button", { type: "button", class: "plain", "data-key": key }, picture), say(TEXT.board.putOne, title(key)));
  made.addEventListener("click", async () => {
    if (!await put(board, [key])) return;
    const item = made.parentElement, next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    (next?.querySelector("button") ?? button).focus();
    if (!list.children.length) close();
  });
  return h("li", {}, made);
}

export function start() {
  button.addEventListener("click", () => (get("suggested").hidden ? ask() : close()));
  get("suggested-close").addEventListener("click", () => { close(); button.focus(); });
  get("suggested").addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    close();
    button.focus();
  });
  subscribe((now, before) => { if (now.board !== before.board) close(); });
}
