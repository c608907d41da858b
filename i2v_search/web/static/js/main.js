// Starts the page: fills in texts and icons, then hands over to the modules.

import * as api from "./api.js";
import * as chips from "./chips.js";
import * as detail from "./detail.js";
import { get, name } from "./dom.js";
import * as dropzone from "./dropzone.js";
import * as examples from "./examples.js";
import * as filters from "./filters.js";
import * as help from "./help.js";
import { icon } from "./icons.js";
import * as keyboard from "./keyboard.js";
import * as map from "./map.js";
import * as morph from "./morph.js";
import { notify } from "./notice.js";
import { imageOf, isText, known, remember, uploaded } from "./reference.js";
import * as results from "./results.js";
import * as searchbox from "./searchbox.js";
import * as sketchoffer from "./sketchoffer.js";
import * as sketchpad from "./sketchpad.js";
import * as slots from "./slots.js";
import { change, start, state, subscribe } from "./state.js";
import { TEXT, fill, say } from "./strings.js";
import { setLimit } from "./uploads.js";

const THEMES = ["auto", "light", "dark"];

fill();
for (const element of document.querySelectorAll("[data-icon]")) element.prepend(icon(element.dataset.icon));
for (const part of [dropzone, examples, filters, slots, results, detail, sketchpad, help, keyboard]) part.start();
searchbox.start(() => examples.draw(state()));
chips.start(results.whenShown);
sketchoffer.start(results.whenShown);
map.start(morph.way);
morph.start(() => {
  map.redraw();
  redrawNames();
});
api.whenBusy((seconds) => notify(say(TEXT.errors.busy, seconds), "info", seconds));

for (const view of ["grid", "map"]) get(`view-${view}`).addEventListener("click", () => change({ view }));

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
results.whenShown(() => learnNames(state()));
subscribe((now, before) => { if (now.a !== before.a || now.b !== before.b) learnNames(now); });
start();

let told = false;
async function learnCollection() {
  const facts = await api.collection().catch(() => null); // the results say what is wrong
  if (!facts || told) return;
  told = true;
  get("collection").textContent = facts.name;
  document.title = say(TEXT.titleOf, facts.name);
  setLimit(facts.upload_limits?.bytes ?? null);
  filters.setRatings(facts.ratings ?? []);
  results.setCollection(facts);
}
learnCollection();
let first = true;
results.whenShown(() => {
  if (!first && !told) learnCollection();
  first = false;
});
