// The dialog in which one chooses a folder of this computer.

import * as api from "./api.js";
import { get, h } from "./dom.js";
import { icon } from "./icons.js";
import { announce } from "./notice.js";
import { TEXT, count, say } from "./strings.js";

const dialog = get("folder-choice"), list = get("folder-choice-list"), take = get("folder-choice-take");
let places = [], shown = null, asked = 0, counting = null, chosen = () => {};

const SIGNS = { home: "home", disk: "disk", computer: "computer" };
const COUNT_AFTER = 200; // milliseconds that a folder is looked at before its pictures are counted
const entry = ({ key, name, kind }) =>
  h("li", {}, h("button", { type: "button", title: name, "data-folder": key, on: { click: () => open(key) } },
    icon(SIGNS[kind] ?? "folder"), h("bdi", {}, TEXT.build.placeKinds[kind] ?? name)));

/** Open the dialog; `then` gets the key of the folder that is chosen. */
export async function choose(then, title = TEXT.build.choose) {
  chosen = then;
  get("folder-choice-title").textContent = title;
  if (!dialog.open) dialog.showModal();
  try {
    places = await api.places();
    get("folder-choice-places").replaceChildren(...places.map(entry));
    await open(shown?.key ?? places[0].key);
  } catch (failure) {
    tell(failure.message);
  }
}

/** Show what is in a folder, and count its pictures. */
async function open(key) {
  const mine = ++asked;
  try {
    const found = await api.folder(key);
    if (mine !== asked) return;
    shown = found;
    draw(mine);
  } catch (failure) {
    if (!(failure instanceof api.ApiError)) throw failure;
    if (mine === asked) tell(failure.message);
  }
}

async function draw(mine) {
  const up = shown.above.at(-1);
  get("folder-choice-path").textContent = shown.path;
  get("folder-choice-up").disabled = !up;
  list.replaceChildren(...shown.folders.map(entry));
  list.parentElement.scrollTop = 0;
  for (const place of get("folder-choice-places").querySelectorAll("button")) {
    if (place.dataset.folder === shown.key) place.setAttribute("aria-current", "true");
    else place.removeAttribute("aria-current");
  }
  get("folder-choice-none").textContent = shown.more ? say(TEXT.build.moreFolders, shown.folders.length) : shown.folders.length ? "" : TEXT.build.noFolders;
  take.disabled = true;
  tell(TEXT.build.counting);
  if (dialog.contains(document.activeElement) === false || document.activeElement === document.body) get("folder-choice-up").focus();
  await new Promise((done) => { setTimeout(done, COUNT_AFTER); });
  if (mine !== asked || !dialog.open) return;
  counting?.abort();
  counting = new AbortController();
  try {
    const { pictures, complete } = await api.picturesIn(shown.key, counting.signal);
    if (mine !== asked) return;
    take.disabled = pictures === 0 && complete;
    tell(complete ? count(TEXT.build.pictures, pictures) : say(TEXT.build.morePictures, pictures.toLocaleString()));
  } catch (failure) {
    if (mine === asked) tell(failure.message);
  }
}

function tell(text) {
  get("folder-choice-count").textContent = text;
  announce(text);
}

export function start() {
  get("folder-choice-up").addEventListener("click", () => open(shown.above.at(-1).key));
  get("folder-choice-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  take.addEventListener("click", () => {
    dialog.close();
    chosen(shown.key);
  });
}
