// The boards of the collection: asked for, made, renamed, filled, deleted; and who is told of a change.

import * as api from "./api.js";
import { notify } from "./notice.js";
import { imageOf, isText, uploaded } from "./reference.js";
import { change, state } from "./state.js";
import { TEXT, count, say } from "./strings.js";

let known = null;
const listeners = [];

/** The boards as they were last told of; null before that. */
export const boards = () => known;
/** The board that the grid shows, or undefined. */
export const shown = () => known?.find(({ name }) => name === state().board);
/** Be told when boards may have changed; `changed` is the number of the one whose pictures did, or null. */
export const whenChanged = (listener) => listeners.push(listener);

/** Ask for the boards again. */
export async function load(changed = null) {
  known = await api.boards();
  for (const listener of listeners) listener(changed);
  return known;
}

/** Do something; what the server refuses is said. */
export async function tried(work) {
  try {
    return await work();
  } catch (failure) {
    if (!(failure instanceof api.ApiError)) throw failure;
    notify(failure.message, "error");
    return undefined;
  }
}

/** The pictures among keys, which can be put on a board: those of the collection. */
export const keepable = (keys) => keys.map(imageOf).filter((key) => key && !isText(key) && !uploaded(key));

export const make = (name) => tried(async () => {
  const made = await api.makeBoard(name);
  await load();
  return made;
});

export const rename = (board, name) => tried(async () => {
  const renamed = await api.changeBoard(board.id, { name });
  const here = state().board === board.name;
  await load();
  if (here) change({ board: renamed.name }, { replace: true });
});

export const note = (board, text) => tried(async () => {
  await api.changeBoard(board.id, { note: text });
  await load();
});

/** Move a board by so many places. */
export const moveBoard = (board, by) => tried(async () => {
  const at = known.findIndex(({ id }) => id === board.id), to = at + by;
  if (to < 0 || to >= known.length) return;
  const next = known.filter(({ id }) => id !== board.id)[to];
  await api.changeBoard(board.id, next ? { before: next.id } : { last: true });
  await load();
});

export const remove = (board) => tried(async () => {
  await api.deleteBoard(board.id);
  if (state().board === board.name) change({ board: "", order: "" });
  await load();
  const back = () => tried(async () => { await api.restoreBoard(board.id); await load(board.id); });
  notify(say(TEXT.board.deleted, board.name), "info", 12, [TEXT.board.undo, back]);
});

/** Put pictures on a board, before another or at its end. */
export const put = (board, keys, before = null) => tried(async () => {
  const images = keepable(keys);
  if (!images.length) return notify(TEXT.board.onlyKept, "error");
  const { added } = await api.putOnBoard(board.id, images, before);
  await load(board.id);
  if (!before) notify(added ? count(TEXT.board.added, added, board.name) : say(TEXT.board.alreadyOn, board.name));
  return true;
});

/** Take pictures off the board that is shown, which can be undone. */
export const take = (board, keys) => tried(async () => {
  const { ids } = await api.board(board.id), order = ids.map(String), taken = order.filter((key) => keys.includes(key));
  if (!taken.length) return;
  await api.takeOffBoard(board.id, taken);
  await load(board.id);
  notify(count(TEXT.board.taken, taken.length, board.name), "info", 12, [TEXT.board.undo, () => tried(async () => {
    await api.putOnBoard(board.id, order);
    await load(board.id);
  })]);
});
