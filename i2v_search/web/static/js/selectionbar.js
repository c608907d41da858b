// What can be done with the pictures that are selected: a bar that is there while some are.

import * as api from "./api.js";
import { take, shown, whenChanged } from "./boardlist.js";
import { choose } from "./boardpick.js";
import { get, h, name } from "./dom.js";
import { icon } from "./icons.js";
import { launched } from "./launch.js";
import { announce, notify } from "./notice.js";
import { original } from "./reference.js";
import { copyText, save } from "./saving.js";
import { clear, selected, whenSelected } from "./selection.js";
import { change, clearSearch, state, subscribe } from "./state.js";
import { toggle } from "./stars.js";
import { TEXT, count, say } from "./strings.js";
import * as timed from "./timed.js";

const MOST_EXAMPLES = 32, MOST_STOPS = 10; // as the server takes
const bar = get("selection");
const list = () => [...selected()];

/** Give the selection a name on the server, and do something with it. */
async function prepared(use) {
  try {
    const made = await api.select(list());
    await use(made);
  } catch (failure) {
    notify(failure.message, "error");
  }
}
const saveAs = (kind) => () => prepared(({ key }) => save(api.selectionAddress(key, kind)));

const ACTIONS = [
  ["board", TEXT.board.put, () => choose(list())],
  ["star", TEXT.board.star, () => toggle(list())],
  ["minus", TEXT.board.takeOff, () => take(shown(), list()), Infinity, 1, () => Boolean(state().board && shown())],
  ["download", TEXT.take.zip, () => (selected().size === 1 ? save(original(list()[0])) : prepared(({ key, bytes }) => {
    notify(say(TEXT.take.zipping, (bytes / 1e6).toLocaleString(undefined, { maximumFractionDigits: 1 })));
    save(api.selectionAddress(key, "zip"));
  }))],
  ["path", TEXT.take.paths, () => prepared(({ key }) => copyText(api.selectionPaths(key, launched()), TEXT.take.pathsCopied))],
  ["grid", TEXT.take.sheet, saveAs("sheet")],
  ["table", TEXT.take.csv, saveAs("csv")],
  ["search", TEXT.take.search, () => change({ ...clearSearch(), like: list().slice(0, MOST_EXAMPLES), view: "grid", image: "" }), MOST_EXAMPLES],
  ["right", TEXT.take.morph, () => {
    const [a, ...rest] = list().slice(0, MOST_STOPS);
    change({ a, b: rest.pop(), via: rest, out: [], image: "" });
  }, MOST_STOPS, 2],
  ["clock", TEXT.timedShort, () => timed.open("selection")],
];

function draw() {
  const { size } = selected();
  bar.hidden = !size;
  document.documentElement.classList.toggle("selecting", size > 0);
  get("selection-count").textContent = count(TEXT.take.selected, size);
  [...get("selection-actions").children].forEach((button, at) => {
    const [, text, , most = Infinity, least = 1, possible = () => true] = ACTIONS[at];
    button.hidden = !possible();
    button.disabled = size < least;
    button.title = size > most ? say(TEXT.take.firstOnly, text, most) : text;
  });
}

export function start() {
  bar.setAttribute("aria-label", TEXT.take.selection);
  get("selection-actions").replaceChildren(...ACTIONS.map(([sign, text, run]) =>
    h("button", { type: "button", "data-take": sign, on: { click: run } }, icon(sign), h("span", {}, text))));
  const leave = name(h("button", { type: "button", class: "plain round", id: "selection-clear" }, icon("close")), TEXT.take.clear);
  leave.addEventListener("click", clear);
  bar.append(leave);
  whenSelected(() => {
    draw();
    announce(count(TEXT.take.selected, selected().size));
  });
  whenChanged(draw);
  subscribe((now, before) => { if (now.board !== before.board) draw(); });
  draw();
}
