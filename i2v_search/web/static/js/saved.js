// Searches saved under a name, beside the collection: save, open, rename, delete. Those that earlier versions left in
// the browser are taken over.

import * as api from "./api.js";
import { tried } from "./boardlist.js";
import { describe } from "./describe.js";
import { get, h, name } from "./dom.js";
import { icon } from "./icons.js";
import { keptList } from "./keptlist.js";
import { announce, notify } from "./notice.js";
import { lasting } from "./recent.js";
import { change, filtering, searchQuery, searchWith, searching, state, subscribe } from "./state.js";
import { TEXT, say } from "./strings.js";

const MOST = 200;
const left = keptList("saved", MOST); // in the browser
let entries = []; // newest first
const worthSaving = (now) => searching(now) || filtering(now) || now.order !== "";

/** Learn which searches are saved. */
export const load = () => tried(async () => {
  await takeOver();
  take(await api.savedSearches());
});

/** Save what the browser has; one that the server has under its name stays, and what is no search is passed over. */
async function takeOver() {
  const old = left.read();
  for (const { label, query } of old.toReversed()) {
    try {
      await api.saveSearch(label, query, false);
    } catch (failure) {
      if (failure.status !== 422) throw failure;
    }
  }
  if (old.length) left.write([]);
}

function take(found) {
  entries = found.map(({ name: label, query }) => ({ label, query }));
  draw();
}

async function save(event) {
  event.preventDefault();
  const label = get("saved-name").value.trim();
  if (!label) return;
  if (!lasting(state())) {
    notify(TEXT.notLasting, "error");
    return;
  }
  const found = await tried(() => api.saveSearch(label, searchQuery(state())).then(api.savedSearches));
  if (!found) return;
  get("saved-name").value = "";
  announce(say(TEXT.savedAs, label));
  take(found);
}

function row(entry, at) {
  const open = h("a", { href: entry.query, dir: "auto" }, entry.label);
  open.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    change(searchWith(entry.query));
  });
  const rename = name(h("button", { type: "button", class: "plain round" }, icon("pen")), say(TEXT.renameSaved, entry.label));
  rename.addEventListener("click", () => askName(entry, at));
  const remove = name(h("button", { type: "button", class: "plain round" }, icon("bin")), say(TEXT.deleteSaved, entry.label));
  remove.addEventListener("click", async () => {
    await changed(api.deleteSearch(entry.label));
    (get("saved-list").children[at]?.querySelector("a") ?? get("saved-name")).focus();
  });
  return h("li", {}, icon("star"), open, rename, remove);
}

/** A field in place of the name; Enter takes what is written there, Escape leaves it as it was. */
function askName(entry, at) {
  const field = h("input", { type: "text", maxlength: "200", "aria-label": say(TEXT.renameSaved, entry.label) });
  field.value = entry.label;
  const done = async (label) => {
    const wanted = label.trim();
    if (wanted && wanted !== entry.label) await changed(api.renameSearch(entry.label, wanted));
    else draw();
    [...get("saved-list").querySelectorAll("a")].find((each) => each.textContent === (wanted || entry.label))?.focus();
  };
  field.addEventListener("keydown", (event) => {
    if (!["Enter", "Escape"].includes(event.key) || event.isComposing) return;
    event.preventDefault();
    done(event.key === "Enter" ? field.value : entry.label);
  });
  get("saved-list").children[at].querySelector("a").replaceWith(field);
  field.select();
}

/** Take the list that a change answers with. */
const changed = (asked) => tried(async () => take(await asked));

function draw() {
  get("saved-list").replaceChildren(...entries.map(row));
  get("saved-none").hidden = entries.length > 0;
}

/** Saved searches as offers of the search field. */
export const offers = () => entries.slice(0, 8).map(({ query, label }) =>
  ({ section: TEXT.sections.saved, sign: "star", text: label, patch: () => searchWith(query) }));

export function start() {
  get("saved-form").addEventListener("submit", save);
  get("saved-button").addEventListener("click", () => tried(async () => take(await api.savedSearches())));
  subscribe((now) => {
    const able = worthSaving(now);
    for (const each of ["saved-name", "save"]) get(each).disabled = !able;
    get("saved-name").placeholder = able ? describe(now) : TEXT.nothingToSave;
  });
}
