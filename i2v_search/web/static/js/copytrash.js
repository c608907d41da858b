// Moving files to the trash of this computer: what goes is named and confirmed first, and can be brought back.

import * as api from "./api.js";
import { tried } from "./boardlist.js";
import { get, h } from "./dom.js";
import { notify } from "./notice.js";
import { fileName } from "./reference.js";
import { TEXT, count, say } from "./strings.js";

const LASTING = 20; // seconds for which an undo is offered
const NAMED = 5; // files that were left, which are named
const texts = TEXT.copyView, dialog = get("trash-confirm");
const done = []; // keys of what can be brought back, the newest last
let changed = async () => {}, answer = () => {};

export const amount = (bytes) => (bytes >= 1e6 ? say(TEXT.megabytes, (bytes / 1e6).toFixed(1)) : say(TEXT.bytes, Math.max(1, Math.round(bytes / 1e3))));
const sum = (members) => amount(members.reduce((total, { bytes }) => total + bytes, 0));

/** Ask whether files shall go; all of them are named. */
function confirm(heading, text, members, yes) {
  get("trash-title").textContent = heading;
  get("trash-text").textContent = text;
  get("trash-yes").textContent = yes;
  get("trash-files").replaceChildren(...members.map(({ path, bytes }) => h("li", {}, h("bdi", {}, path), h("span", {}, amount(bytes)))));
  dialog.returnValue = "";
  dialog.showModal();
  get("trash-no").focus();
  return new Promise((resolve) => { answer = resolve; });
}
const confirmLast = (members) => confirm(count(texts.lastTitle, members.length), texts.lastText, members, texts.lastYes);

/** Move the files of members of a group to the trash; `whole` where nothing of it would be left. */
export const trash = (members, whole) => tried(async () => {
  if (!await confirm(count(texts.trashTitle, members.length, sum(members)), texts.trashText, members, texts.trashYes)) return;
  if (whole && !await confirmLast(members)) return;
  const answers = [await api.trash(members.map(({ key }) => key), whole)];
  const last = members.filter(({ key }) => answers[0].last.includes(Number(key)));
  if (last.length && await confirmLast(last)) answers.push(await api.trash(last.map(({ key }) => key), true));
  for (const one of answers) tell(one);
  if (answers.some(({ ids }) => ids.length)) await changed();
});

function tell({ key, ids, kept }) {
  tellKept(kept);
  if (!ids.length) return;
  if (key) done.push(key);
  notify(count(key ? texts.moved : texts.movedForGood, ids.length), "info", LASTING, key ? [TEXT.board.undo, () => undo(key)] : null);
}
function tellKept(kept) {
  const more = kept.length > NAMED ? say(TEXT.missingMore, kept.length - NAMED) : "";
  if (kept.length) notify(kept.slice(0, NAMED).map(({ path, reason }) => `${fileName(path)}: ${reason}`).join("; ") + more, "error");
}

/** Bring back what was moved last, or under a key. */
export const undo = (key = done.at(-1)) => tried(async () => {
  if (!key) return notify(texts.nothingToUndo);
  if (done.includes(key)) done.splice(done.indexOf(key), 1);
  const { ids, unlisted, kept } = await api.restoreTrashed(key);
  if (kept.length) done.push(key);
  tellKept(kept);
  if (ids.length) notify(count(texts.restored, ids.length));
  if (unlisted.length) notify(count(texts.unlisted, unlisted.length));
  return changed();
});

/** `whenChanged` is called when files went or came back. */
export function start(whenChanged) {
  changed = whenChanged;
  get("trash-yes").addEventListener("click", () => dialog.close("yes"));
  for (const button of ["trash-no", "trash-close"]) get(button).addEventListener("click", () => dialog.close());
  // Told later: by then somebody may have been asked anew.
  dialog.addEventListener("close", () => { if (!dialog.open) answer(dialog.returnValue === "yes"); });
}
