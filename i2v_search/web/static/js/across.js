// All collections: what fits the search in every collection that was opened before, and the way into one of them.

import * as api from "./api.js";
import { describe } from "./describe.js";
import { get, h } from "./dom.js";
import { notify } from "./notice.js";
import { fileName, isText, thumbnail, toText, wordsOf } from "./reference.js";
import { change, clearSearch, searching, state } from "./state.js";
import { TEXT, count, say } from "./strings.js";

const dialog = get("across"), SIDE = 150;
let asking = null;

/** Show what fits the search of the page; without one, ask for words. */
export function open() {
  const now = state(), [first] = now.like;
  get("across-words").value = now.like.length === 1 && isText(first) ? wordsOf(first) : "";
  get("across-list").replaceChildren();
  get("across-left").hidden = true;
  get("across-facts").textContent = TEXT.across.hint;
  dialog.showModal();
  if (searching(now)) search(now);
}

async function search(wanted) {
  asking?.abort();
  const { signal } = (asking = new AbortController());
  get("across-facts").textContent = TEXT.loading;
  try {
    const answer = await api.searchAcross(wanted, signal);
    if (!signal.aborted) draw(answer, describe(wanted));
  } catch (failure) {
    if (signal.aborted) return;
    if (!(failure instanceof api.ApiError)) throw failure;
    get("across-list").replaceChildren();
    get("across-facts").textContent = failure.message;
  }
}

function draw({ hits, collections, left_out: left }, query) {
  const told = TEXT.across, names = new Map(collections.map(({ key, name }) => [key, name])), here = collections[0].key;
  const where = count(told.collections, collections.length);
  get("across-facts").textContent = [query, count(told.found, hits.length, where)].filter(Boolean).join(" · ");
  get("across-left").textContent = left.map(({ name, reason }) => say(told.leftOut[reason], name)).join(" ");
  get("across-left").hidden = !left.length;
  get("across-list").replaceChildren(...hits.map((hit) => item(hit, names.get(hit.collection), hit.collection === here)));
}

function item({ id, path, collection, version, width, height }, name, here) {
  const address = here ? thumbnail(String(id), SIDE) : api.thumbnailAcross(collection, id, version);
  const picture = h("img", { src: address, alt: fileName(path), width, height, loading: "lazy", decoding: "async" });
  const enter = h("button", { type: "button", title: say(told(here), path, name), on: { click: () => go(id, collection, here) } }, picture, h("bdi", { class: here ? "here" : "" }, name));
  return h("li", {}, enter);
}
const told = (here) => (here ? TEXT.across.show : TEXT.across.enter);

/** Show a picture large, in its collection. */
async function go(id, collection, here) {
  if (here) {
    dialog.close();
    change({ image: String(id) });
    return;
  }
  try {
    await api.openCollection(collection);
    location.assign(`./?image=${id}`);
  } catch (failure) {
    if (!(failure instanceof api.ApiError)) throw failure;
    notify(failure.message, "error");
  }
}

export function start() {
  get("across-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => asking?.abort());
  get("across-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const words = get("across-words").value.trim();
    if (words) search({ ...state(), ...clearSearch(), like: [toText(words)] });
  });
}
