// The board that the grid shows: its head with note, orders and exports, and its pictures moved by hand and by keys.

import * as api from "./api.js";
import { load, note, put, shown, take, tried, whenChanged } from "./boardlist.js";
import { get, typing } from "./dom.js";
import { droppedKey, holdsKey } from "./drag.js";
import { together } from "./dragout.js";
import * as grid from "./grid.js";
import { announce, notify } from "./notice.js";
import { refresh } from "./results.js";
import { save } from "./saving.js";
import { orderOf, state, subscribe } from "./state.js";
import { TEXT, say } from "./strings.js";

const list = get("grid"), head = get("board-head");
const FILES = ["zip", "png", "bee", "json"], STEPS = [["board-earlier", -1], ["board-later", 1]];
const byHand = () => shown() && orderOf(state()) === "board";

function draw() {
  const board = shown();
  head.hidden = !state().board || !board;
  for (const [id] of STEPS) get(id).hidden = !board || !byHand();
  if (!board) return;
  if (document.activeElement !== get("board-note")) get("board-note").value = board.note;
  for (const kind of FILES) get(`board-${kind}`).disabled = !board.size;
  get("board-suggest").disabled = !board.size;
  for (const way of ["colour", "gradual"]) get(`board-${way}`).disabled = board.size < 2;
}

/** Show the pictures of the board anew; the one with the focus keeps it. */
async function renew(changed) {
  draw();
  if (!state().board || changed === null || changed !== shown()?.id) return;
  const key = document.activeElement?.closest("#grid [data-key]")?.dataset.key;
  await refresh();
  if (key) grid.focusKey(key);
  tellMissing();
}

/** Name what is on the board and not in the collection. */
async function tellMissing() {
  const board = shown(), line = get("board-missing");
  line.hidden = true;
  if (!board) return;
  const told = await tried(() => api.board(board.id));
  if (!told?.missing.length || shown()?.id !== board.id) return;
  line.textContent = say(TEXT.board.missing, told.missing.slice(0, 5).map(({ path }) => path).join(", "), told.missing.length);
  line.hidden = false;
}

/** Put the pictures in another order, which can be undone. */
const arrange = (by) => tried(async () => {
  const board = shown(), { ids } = await api.board(board.id);
  await api.orderBoard(board.id, by);
  await load(board.id);
  notify(TEXT.board.ordered, "info", 12, [TEXT.board.undo, () => tried(async () => {
    await api.putOnBoard(board.id, ids);
    await load(board.id);
  })]);
});

/** Save a file that is made of the board. */
function download(kind) {
  if (kind === "png") notify(say(TEXT.preparing, TEXT.png));
  save(`api/v1/boards/${shown().id}/${kind}`);
}

/** Move a picture by one place. */
async function step(key, by) {
  const keys = grid.keys(), at = keys.indexOf(key), to = at + by;
  if (to < 0 || to >= keys.length) return;
  const before = by < 0 ? keys[to] : keys[to + 1] ?? null;
  if (await moveTo([key], before)) announce(say(TEXT.board.movedTo, to + 1, keys.length));
}

/** Move pictures before another, or to the end. */
async function moveTo(keys, before) {
  const next = before && !keys.includes(before) ? before : null;
  const done = await tried(async () => { await api.putOnBoard(shown().id, keys, next); return true; });
  if (done) await load(shown().id);
  return done;
}

/** The picture that what is dropped here comes before; null for the end. */
function placeAt(event) {
  const tile = event.target.closest("[data-key]"), keys = grid.keys();
  if (!tile) return null;
  const { left, width } = tile.getBoundingClientRect();
  return event.clientX < left + width / 2 ? tile.dataset.key : keys[keys.indexOf(tile.dataset.key) + 1] ?? null;
}

function mark(event) {
  unmark();
  const tile = event?.target.closest?.("#grid [data-key]");
  if (!tile) return;
  const { left, width } = tile.getBoundingClientRect();
  tile.classList.add(event.clientX < left + width / 2 ? "drop-before" : "drop-after");
}
const unmark = () => { for (const each of list.querySelectorAll(".drop-before, .drop-after")) each.classList.remove("drop-before", "drop-after"); };

function over(event) {
  if (!byHand() || !holdsKey(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
  mark(event);
}

async function dropped(event) {
  const key = byHand() && droppedKey(event);
  unmark();
  if (!key) return;
  event.preventDefault();
  event.stopPropagation();
  document.documentElement.classList.remove("dragging");
  const before = placeAt(event), keys = together(key), held = grid.keys();
  if (keys.every((each) => held.includes(each))) await moveTo(keys, before);
  else await put(shown(), keys, before);
}

function pressed(event) {
  if (!shown() || state().image || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const key = event.target.closest?.("#grid [data-key]")?.dataset.key;
  if (!key || !event.target.matches("a.picture")) return;
  const way = {
    "<": () => byHand() && step(key, -1),
    ">": () => byHand() && step(key, 1),
    Delete: () => {
      const keys = grid.keys(), next = keys[keys.indexOf(key) + 1] ?? keys[keys.indexOf(key) - 1];
      if (next && !together(key).includes(next)) grid.focusKey(next);
      take(shown(), together(key));
    },
  }[event.key];
  if (!way) return;
  event.preventDefault();
  way();
}

export function start() {
  whenChanged(renew);
  subscribe((now, before) => {
    if (now.board === before.board && now.view === before.view) return;
    draw();
    get("board-missing").hidden = true;
    if (now.board) tried(load).then(tellMissing);
  });
  list.addEventListener("dragover", over);
  list.addEventListener("dragleave", (event) => { if (!list.contains(event.relatedTarget)) unmark(); });
  list.addEventListener("dragend", unmark);
  list.addEventListener("drop", dropped);
  list.addEventListener("keydown", pressed);
  get("board-note").addEventListener("change", () => { if (shown()) note(shown(), get("board-note").value); });
  get("board-colour").addEventListener("click", () => arrange("colour"));
  get("board-gradual").addEventListener("click", () => arrange("gradual"));
  for (const kind of FILES) get(`board-${kind}`).addEventListener("click", () => download(kind));
  for (const [id, by] of STEPS) get(id).addEventListener("click", () => step(state().image, by));
}
