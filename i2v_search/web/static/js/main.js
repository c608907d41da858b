// Starts the page: fills in texts and icons, then hands over to the modules.

import * as api from "./api.js";
import * as bands from "./bands.js";
import * as boardpick from "./boardpick.js";
import * as boards from "./boards.js";
import * as boardsuggestions from "./boardsuggestions.js";
import * as boardview from "./boardview.js";
import * as building from "./building.js";
import * as canvas from "./canvas.js";
import * as chips from "./chips.js";
import * as collections from "./collections.js";
import * as conditions from "./conditions.js";
import * as copies from "./copies.js";
import * as copyapart from "./copyapart.js";
import * as detail from "./detail.js";
import { get, name } from "./dom.js";
import * as dragout from "./dragout.js";
import * as dropzone from "./dropzone.js";
import * as examples from "./examples.js";
import * as filters from "./filters.js";
import * as folders from "./folders.js";
import * as help from "./help.js";
import { icon } from "./icons.js";
import { setCollection as setPlace } from "./keptlist.js";
import * as keyboard from "./keyboard.js";
import * as map from "./map.js";
import * as morph from "./morph.js";
import { notify } from "./notice.js";
import * as order from "./order.js";
import * as picturenotes from "./picturenotes.js";
import * as recent from "./recent.js";
import { imageOf, isText, known, remember, uploaded } from "./reference.js";
import * as results from "./results.js";
import * as saved from "./saved.js";
import * as searchbox from "./searchbox.js";
import * as selecting from "./selecting.js";
import * as selectionbar from "./selectionbar.js";
import * as sketchoffer from "./sketchoffer.js";
import * as sketchpad from "./sketchpad.js";
import * as slots from "./slots.js";
import * as stars from "./stars.js";
import * as startrow from "./startrow.js";
import { change, start, state, subscribe } from "./state.js";
import { TEXT, fill, say } from "./strings.js";
import * as takeone from "./takeone.js";
import * as tilelook from "./tilelook.js";
import * as timed from "./timed.js";
import { setLimit } from "./uploads.js";

const THEMES = ["auto", "light", "dark"];

fill();
for (const element of document.querySelectorAll("[data-icon]")) element.prepend(icon(element.dataset.icon));
for (const part of [dropzone, examples, order, filters, conditions, bands, folders, saved, slots, results, tilelook, detail, sketchpad, help, keyboard, selecting, selectionbar, takeone, dragout, boards, boardpick, boardview, boardsuggestions, stars, picturenotes, timed, canvas, copyapart, copies]) part.start();
searchbox.start(() => examples.draw(state()), () => [...recent.offers(), ...saved.offers()]);
startrow.start(results.whenShown);
chips.start(results.whenShown);
sketchoffer.start(results.whenShown);
map.start(morph.way);
morph.start(() => {
  map.redraw();
  redrawNames();
});
api.whenBusy((seconds) => notify(say(TEXT.errors.busy, seconds), "info", seconds));

for (const view of ["grid", "map", "canvas"]) get(`view-${view}`).addEventListener("click", () => change({ view }));
subscribe((now) => {
  get("pictures").hidden = now.view !== "grid";
  get("view-grid").setAttribute("aria-pressed", String(now.view === "grid"));
});

/** Tell the style how tall the top and the dock are, so that nothing lies hidden beneath them. */
for (const [part, property] of [[document.querySelector(".top"), "--top"], [get("dock"), "--dock"]]) {
  new ResizeObserver(([entry]) => {
    document.documentElement.style.setProperty(property, `${Math.ceil(entry.borderBoxSize[0].blockSize)}px`);
  }).observe(part);
}

function showTheme() {
  const theme = document.documentElement.dataset.theme;
  get("theme").replaceChildren(icon(theme));
  name(get("theme"), TEXT.themes[theme]);
}
get("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  dispatchEvent(new CustomEvent("theme", { detail: next }));
  showTheme();
  map.redraw();
});
showTheme();

/** Names of images that only the address named: asked for once, then put where they are shown. */
const asked = new Set();
async function learnNames(now) {
  const keys = [...now.like, ...now.unlike, now.a, now.b].map(imageOf).filter((key) => key && !isText(key) && !uploaded(key) && !known(key).path && !asked.has(key));
  if (!keys.length) return;
  keys.forEach((key) => asked.add(key));
  await Promise.all(keys.map(async (key) => remember(key, await api.image(key).catch(() => ({})))));
  redrawNames();
}
function redrawNames() {
  if (document.activeElement?.closest("#examples, .slot")) return;
  examples.draw(state());
  slots.draw("a");
  slots.draw("b");
}
results.whenShown(() => {
  recent.note(state());
  learnNames(state());
});
subscribe((now, before) => { if (now.a !== before.a || now.b !== before.b) learnNames(now); });
start();

let again = 0;
const PATIENCE = [1, 2, 4, 8, 16, 30]; // seconds between tries to learn of the collection
async function learnCollection(tries = 0) {
  let facts;
  clearTimeout(again);
  try {
    facts = await api.collection();
  } catch { // the results say what is wrong
    again = setTimeout(learnCollection, PATIENCE[Math.min(tries, PATIENCE.length - 1)] * 1000, tries + 1);
    return;
  }
  collections.setName(facts.name);
  document.title = say(TEXT.titleOf, facts.name);
  setLimit(facts.upload_limits?.bytes ?? null);
  setPlace(facts.name);
  saved.load();
  stars.load();
  filters.setRatings(facts.ratings ?? []);
  filters.setDials(facts.dials ?? false);
  results.setCollection(facts);
  takeone.setDesktop(facts.desktop ?? false);
}
collections.start();
learnCollection();
building.start(learnCollection);
