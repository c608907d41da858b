// Taking the picture out that is shown large: save the original, copy it, show it in this computer's desktop.

import * as api from "./api.js";
import { get, h } from "./dom.js";
import { icon } from "./icons.js";
import { forgetLaunch, launched } from "./launch.js";
import { notify } from "./notice.js";
import { fileName, known, large, original, uploaded } from "./reference.js";
import { copyPicture, save } from "./saving.js";
import { state, subscribe } from "./state.js";
import { TEXT } from "./strings.js";

let desktop = false; // whether the server may open files of this computer

const ACTIONS = [
  ["download", TEXT.take.original, (key) => save(original(key), fileName(known(key).path ?? "")), () => true],
  ["copy", TEXT.take.copy, (key) => copyPicture([original(key), large(key)]), () => true],
  ["folder", TEXT.take.show, (key) => onDesktop(key, "show"), () => desktop && launched()],
  ["open", TEXT.take.open, (key) => onDesktop(key, "open"), () => desktop && launched()],
];

/** The path: of the file on this computer where the server may tell, else as the collection knows it. */
export async function pathOf(key) {
  return launched() ? trusting(async () => (await api.place(key)).path, () => known(key).path) : known(key).path;
}

async function onDesktop(key, action) {
  try {
    await trusting(() => api.desktop(key, action));
  } catch (failure) {
    notify(failure.message, "error");
  }
  draw();
}

/** Ask with the launch token; a server that was started anew does not know it: then `otherwise`, or its error. */
async function trusting(ask, otherwise = null) {
  try {
    return await ask();
  } catch (failure) {
    if (failure.code !== "no_launch_token") throw failure;
    forgetLaunch();
    if (otherwise) return otherwise();
    throw failure;
  }
}

function draw() {
  const key = state().image;
  const buttons = ACTIONS.filter(([, , , possible]) => possible()).map(([sign, text, run]) =>
    h("button", { type: "button", "data-take": sign, on: { click: () => run(state().image) } }, icon(sign), text));
  get("take-one").hidden = !key || uploaded(key);
  get("take-one").replaceChildren(...buttons);
}

/** The collection's facts say whether there is a desktop. */
export function setDesktop(possible) {
  desktop = possible;
  draw();
}

export function start() {
  subscribe((now, before) => { if (now.image !== before.image) draw(); });
}
