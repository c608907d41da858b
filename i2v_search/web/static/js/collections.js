// The menu of collections: those opened before, folders to add, whether it is kept up to date, and the end of the server.

import * as across from "./across.js";
import * as api from "./api.js";
import * as building from "./building.js";
import { get, h } from "./dom.js";
import { icon } from "./icons.js";
import { launched } from "./launch.js";
import { notify } from "./notice.js";
import { copyText } from "./saving.js";
import { TEXT, say } from "./strings.js";

const menu = get("collections"), button = get("collections-button");
let name = "";

/** The collection that is served; "" while there is none. */
export function setName(given) {
  name = given;
  get("collection").textContent = launched() ? "" : name;
  get("collections-name").textContent = name || TEXT.collections.none;
  button.hidden = !launched();
}

async function trying(ask) {
  try {
    await ask();
  } catch (failure) {
    if (!(failure instanceof api.ApiError)) throw failure;
    notify(failure.message, "error");
  }
}

const entry = (sign, text, way, more = {}) =>
  h("button", { type: "button", ...more, on: { click: () => { menu.hidePopover(); trying(way); } } }, icon(sign), h("span", {}, text));

function open(key) {
  return trying(async () => {
    await api.openCollection(key);
    location.assign("./"); // nothing of the state is of the other collection
  });
}

function item({ key, name: title, path, there, current }) {
  const words = h("span", {}, h("bdi", {}, title), h("small", {}, there ? path : TEXT.collections.away));
  const way = h("button", { type: "button", title: path, "aria-current": current ? "true" : null, disabled: !there || current, on: { click: () => open(key) } }, icon(current ? "check" : "grid"), words);
  const forget = h("button", { type: "button", class: "plain round", title: say(TEXT.collections.forget, title), "aria-label": say(TEXT.collections.forget, title), on: { click: () => trying(async () => list(await api.forgetCollection(key))) } }, icon("close"));
  return h("li", {}, way, current ? null : forget);
}
const list = (known) => get("collections-list").replaceChildren(...known.map(item));

async function draw() {
  const told = TEXT.collections, { collection, watch, status } = building.state() ?? {};
  get("collections-ways").replaceChildren(
    entry("search", TEXT.across.menu, async () => across.open()),
    ...(collection ? [entry("plus", told.add, () => building.addFolder()), entry("redo", told.update, building.update, { disabled: status === "building" })] : []),
    entry("folder", told.fresh, () => building.addFolder(true)),
    entry("path", told.connect, () => copyText(api.appAddress(), told.connectHint)));
  get("watch-field").hidden = !collection;
  get("watch").checked = watch === "on" || watch === "away";
  get("watch").disabled = watch === "unavailable";
  get("watch-hint").textContent = told.watchHints[watch] ?? "";
  await trying(async () => list(await api.collections()));
}

export function start() {
  across.start();
  menu.addEventListener("beforetoggle", (event) => {
    button.setAttribute("aria-expanded", String(event.newState === "open"));
    if (event.newState !== "open") return;
    draw();
  });
  menu.addEventListener("toggle", () => {
    const { left, bottom } = button.getBoundingClientRect();
    menu.style.left = `${Math.max(8, Math.min(left, innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${bottom + 8}px`;
  });
  get("watch").addEventListener("change", () => trying(async () => {
    await building.setWatch(get("watch").checked);
    draw();
  }));
  get("quit").addEventListener("click", () => trying(async () => {
    await api.quit();
    menu.hidePopover();
    notify(TEXT.collections.ended, "info", 0);
  }));
  setName("");
}
