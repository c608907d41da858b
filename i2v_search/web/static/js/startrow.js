// Where to begin, before the tags on the first screen: what came last, and the largest folders.

import { get, h } from "./dom.js";
import * as folders from "./folders.js";
import { icon } from "./icons.js";
import { change, filtering, searching, state, subscribe } from "./state.js";
import { TEXT, say } from "./strings.js";
import { writeName } from "./tagquery.js";

const MOST = 4;
let largest = null;

/** The folders by which a collection is divided: those at its top, or where that is one, in it. */
function divisions({ tops }) {
  let folders = tops;
  while (folders.length === 1 && folders[0].children.length) folders = folders[0].children;
  return folders.length > 1 ? folders.toSorted((one, two) => two.images - one.images).slice(0, MOST) : [];
}

function chip(sign, text, label, patch) {
  const button = h("button", { type: "button", title: label, "aria-label": label }, icon(sign), h("span", { dir: "auto" }, text));
  button.addEventListener("click", () => change(patch));
  return h("li", { class: "begin" }, button);
}

async function draw() {
  const begins = !searching(state()) && !filtering(state()) && !state().order;
  get("start").hidden = !begins;
  if (!begins || largest) return;
  largest = [];
  const newest = chip("clock", TEXT.newestFirst, TEXT.newestFirst, { order: "newest" });
  get("start").replaceChildren(newest);
  try {
    largest = divisions(await folders.load());
  } catch {
    largest = null; // asked again with the next search; the results say what is wrong
    return;
  }
  get("start").replaceChildren(newest, ...largest.map(({ path, name, images }) =>
    chip("folder", name, say(TEXT.folderOf, path, images.toLocaleString()), { folder: [writeName(path)] })));
}

/** Start the row; it is drawn when pictures are there, which come first. */
export function start(whenShown) {
  whenShown(draw);
  subscribe(() => { if (largest) draw(); });
}
