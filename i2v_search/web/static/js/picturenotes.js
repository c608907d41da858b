// What one writes oneself on the picture shown large: a note, and tags, which then count in every search.

import * as api from "./api.js";
import { tried } from "./boardlist.js";
import { get, h, name } from "./dom.js";
import { icon } from "./icons.js";
import { announce } from "./notice.js";
import { uploaded } from "./reference.js";
import { address, change, changed, clearSearch, state, subscribe } from "./state.js";
import { TEXT, say } from "./strings.js";
import { writeTag } from "./tagquery.js";

let of = ""; // the picture whose notes are shown

async function learn(key) {
  of = "";
  get("keep-notes").hidden = true;
  if (!key || uploaded(key)) return;
  const notes = await tried(() => api.notes(key));
  if (notes && state().image === key) show(key, notes);
}

function show(key, { note, tags }) {
  of = key;
  get("keep-notes").hidden = false;
  if (document.activeElement !== get("own-note")) get("own-note").value = note;
  get("own-tags").replaceChildren(...tags.map((tag) => {
    const remove = name(h("button", { type: "button", class: "remove" }, icon("close")), say(TEXT.board.removeTag, tag));
    remove.addEventListener("click", async () => { await write({ remove: [tag] }); get("own-tag").focus(); });
    const patch = { ...clearSearch(), tags: [writeTag(tag)], image: "", view: "grid" };
    const link = h("a", { href: address(changed(patch)), dir: "auto" }, tag);
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      change(patch);
    });
    return h("li", { class: "wanted" }, link, remove);
  }));
}

async function write(wanted) {
  const key = of, notes = key && await tried(() => api.changeNotes(key, wanted));
  if (notes && of === key) show(key, notes);
  return notes;
}

async function add(event) {
  event.preventDefault();
  const tags = get("own-tag").value.split(",").map((tag) => tag.trim()).filter(Boolean);
  if (!tags.length || !await write({ add: tags })) return;
  get("own-tag").value = "";
  announce(say(TEXT.board.tagged, tags.join(", ")));
}

export function start() {
  get("own-tags-form").addEventListener("submit", add);
  get("own-note").addEventListener("change", () => write({ note: get("own-note").value }));
  subscribe((now, before) => {
    if (now.image === before.image) return;
    if (of && document.activeElement === get("own-note")) get("own-note").blur(); // which writes what was typed
    learn(now.image);
  });
}
