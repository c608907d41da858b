// The search field: words, tags, folders and names of files, one after the other or several with commas between them.
// Enter takes the words; where they begin with "-" or a quotation mark, it takes a tag that begins so, if there is one.

import * as api from "./api.js";
import { get } from "./dom.js";
import { notify } from "./notice.js";
import { lookUp, offers, together, usual } from "./offers.js";
import { parseQuery, writeWords } from "./querytext.js";
import { isText, wordsOf } from "./reference.js";
import { change, changeAll, filtering, removeExample, searching, state, subscribe } from "./state.js";
import { TEXT } from "./strings.js";
import * as suggestions from "./suggestions.js";
import { parseTag } from "./tagquery.js";

const PATIENCE = 120;
const field = get("search");
let asking = null, timer = 0, editing = "", onEdit = () => {}; // key of the text whose words are back in the field
let memories = () => [], ofNothing = false; // offers for the empty field, of searches before; whether they are shown

/** The parts that are typed. Words that are changed stay words. */
function typed() {
  if (!editing) return parseQuery(field.value);
  const { name: text, without } = parseTag(field.value);
  return text ? [{ kind: "words", text, without }] : [];
}

async function suggest() {
  asking?.abort();
  const { signal } = (asking = new AbortController());
  const part = typed().at(-1), here = field.value;
  let heading = "", rows = [];
  try {
    if (part) rows = offers(part, await lookUp(part, signal), editing);
    else if (!here.trim()) ({ heading, rows } = await together(signal));
  } catch (failure) {
    if (failure.name === "AbortError") return;
    if (part) rows = offers(part, undefined, editing); // words can be searched for without suggestions
  }
  if (document.activeElement !== field || field.value !== here) return;
  ofNothing = !here.trim();
  if (ofNothing) rows = [...rows, ...memories()];
  suggestions.show(rows, heading);
}

function close() {
  asking?.abort();
  clearTimeout(timer);
  suggestions.show([]);
}

/** Take what the parts before the last say, and an offer in place of the last. */
async function take(offer) {
  try {
    const offered = [...await Promise.all(typed().slice(0, -1).map((part) => usual(part))), offer];
    if (offered.includes(undefined)) return notify(TEXT.noSuchTag, "error");
    leave();
    return changeAll(offered.map((each) => each.patch));
  } catch (failure) {
    return tell(failure);
  }
}

/** Empty the field. */
function leave() {
  field.value = "";
  close();
  if (editing) {
    editing = "";
    onEdit();
  }
}

async function enter() {
  const part = typed().at(-1);
  if (suggestions.chosen()) return take(suggestions.chosen());
  if (!part) return editing && change(removeExample(editing));
  try {
    return take(await usual(part, editing));
  } catch (failure) {
    return tell(failure);
  }
}

function tell(failure) {
  if (!(failure instanceof api.ApiError)) throw failure;
  notify(failure.message, "error");
}

/** Backspace in the empty field takes the chip before it: a condition goes, words come back into the field. */
function takeBack(event) {
  const { like, unlike } = state(), key = unlike.at(-1) ?? like.at(-1) ?? "";
  if (editing) return change(removeExample(editing));
  const list = ["name", "folder", "tags"].find((each) => state()[each].length);
  if (list) return change({ [list]: state()[list].slice(0, -1) });
  if (!isText(key)) return undefined;
  event.preventDefault();
  return edit(key);
}

function pressed(event) {
  if (event.isComposing) return; // Enter and arrows are those of the input method
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (suggestions.move(event.key === "ArrowDown" ? 1 : -1)) event.preventDefault();
  } else if (event.key === "Enter") {
    event.preventDefault();
    enter();
  } else if (event.key === "Escape") {
    event.stopPropagation();
    if (suggestions.isOpen()) close();
    else if (editing) leave();
    else field.blur();
  } else if (event.key === "Backspace" && !field.value) {
    takeBack(event);
  }
}

/** Put the words of a text back into the field; what is taken next stands in its place. */
export function edit(key) {
  editing = key;
  field.value = writeWords(wordsOf(key), state().unlike.includes(key));
  onEdit();
  if (document.activeElement === field) suggest();
  else field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}
/** Key of the text that is being edited, or "". */
export const edited = () => editing;

/** Start the field; `whenEditing` is told when a text's words come into it, and when they leave it; `remembered`
 *  gives the offers of searches before. */
export function start(whenEditing, remembered = memories) {
  onEdit = whenEditing;
  memories = remembered;
  const narrow = matchMedia("(max-width: 44rem)").matches;
  suggestions.start((offer) => take(offer));
  field.addEventListener("keydown", pressed);
  field.addEventListener("input", () => {
    if (ofNothing) suggestions.show([]); // which does not say what Enter takes now
    else suggestions.unchoose();
    clearTimeout(timer);
    timer = setTimeout(suggest, PATIENCE);
  });
  field.addEventListener("focus", suggest);
  field.addEventListener("blur", close);
  subscribe((now) => {
    if (editing && !now.like.includes(editing) && !now.unlike.includes(editing)) leave();
    field.placeholder = searching(now) || filtering(now) ? TEXT.searchMore : narrow ? TEXT.searchHintShort : TEXT.searchHint;
  });
}
