// The search field: words to search for, and tags that begin like them, mean the same, or stand beside the last tag.
// Enter takes the words; where they begin with "-" or a quotation mark, it takes a tag that begins so, if there is one.

import * as api from "./api.js";
import { get, h } from "./dom.js";
import { icon } from "./icons.js";
import { notify } from "./notice.js";
import { isText, toText, wordsOf } from "./reference.js";
import { change, removeExample, searchWords, searching, state, subscribe, toggleTag } from "./state.js";
import { TEXT, say } from "./strings.js";
import { parseTag, writeTag } from "./tagquery.js";

const MOST = 8, LONGEST_TAG = 100, PATIENCE = 120;
const field = get("search"), list = get("suggestions");
let offered = [], active = -1, asking = null, timer = 0, said = { word: "", found: [] };
let editing = "", onEdit = () => {}; // key of the text whose words are back in the field

const names = (tags) => tags.map((tag) => parseTag(tag).name);

/** What is typed: its words, the tag that they may be, and which of the two Enter takes. */
function typed() {
  const text = field.value.trim(), { name: words, without } = parseTag(text);
  return { words, word: words.toLowerCase(), without, tagFirst: /^[-"]/.test(text) && !editing };
}

/** Tags that begin like a word, and some that mean the same; the last word is not asked for twice. */
async function alike(word, signal) {
  if (said.word !== word) said = { word, found: word.length > LONGEST_TAG ? [] : await api.tagsLike(word, MOST, signal) };
  return said.found;
}

/** What can be taken of what is typed, first what Enter takes. */
function offers(found) {
  const { words, word, without, tagFirst } = typed(), used = new Set(names(state().tags));
  const begins = (name) => name.startsWith(word) || name.includes(` ${word}`);
  const rank = ({ name }) => (name.toLowerCase() === word ? 0 : begins(name.toLowerCase()) ? 1 : 2);
  const sorted = found.toSorted((one, two) => rank(one) - rank(two)); // those of a rank stay in their order
  const tags = sorted.filter((tag) => !used.has(tag.name) || rank(tag) === 0).map((tag) => ({
    sign: "tag",
    text: without ? say(TEXT.without, tag.name) : tag.name,
    kind: tag.category !== "general" ? TEXT.categories[tag.category] ?? tag.category : rank(tag) < 2 || word.includes(tag.name) ? "" : TEXT.alikeTag,
    count: tag.count.toLocaleString(),
    patch: () => ({ ...(editing ? removeExample(editing) : {}), ...toggleTag(writeTag(tag.name, without)) }),
  }));
  if (!words) return tags;
  const wording = without ? TEXT.searchAway : editing ? TEXT.searchInstead : searching(state()) ? TEXT.searchAlso : TEXT.searchFor;
  const text = { sign: "search", text: say(wording, words), kind: "", count: "", patch: () => searchWords(toText(words), without, editing) };
  const first = tagFirst ? tags.splice(0, sorted.filter((tag) => rank(tag) < 2).length) : [];
  return [...first, text, ...tags];
}

async function suggest() {
  asking?.abort();
  const { signal } = (asking = new AbortController());
  const { words, word } = typed();
  const [last] = names(state().tags.filter((tag) => !parseTag(tag).without)).slice(-1);
  let heading = "", found = [];
  try {
    if (words) found = await alike(word, signal);
    else if (last) [heading, found] = [say(TEXT.together, last), await api.tagsWith(last, MOST, signal)];
  } catch (failure) {
    if (failure.name === "AbortError") return; // words can be searched for without suggestions
  }
  if (document.activeElement !== field) return;
  const rows = offers(found);
  show(rows, rows.length ? heading : "");
}

function show(offers, heading = "") {
  offered = offers;
  active = -1;
  list.replaceChildren(...offered.map((offer, at) => {
    const option = h("li", { role: "option", id: `suggestion-${at}` },
      icon(offer.sign), h("span", { class: "word", dir: "auto" }, offer.text),
      h("span", { class: "kind" }, offer.kind), h("span", { class: "count" }, offer.count));
    option.addEventListener("pointerdown", (event) => { event.preventDefault(); take(offer); });
    return option;
  }));
  get("suggestions-title").textContent = heading;
  get("suggestions-box").hidden = !offered.length;
  field.setAttribute("aria-expanded", String(offered.length > 0));
  mark();
}

function close() {
  asking?.abort();
  clearTimeout(timer);
  show([]);
}

/** Number of the offer that Enter takes, or -1. */
const marked = () => (active < 0 && typed().words ? 0 : active);

/** Show what Enter takes; it is read out only where one moved to it. */
function mark() {
  const taken = marked();
  [...list.children].forEach((row, at) => row.setAttribute("aria-selected", String(at === taken)));
  if (active < 0) return field.removeAttribute("aria-activedescendant");
  field.setAttribute("aria-activedescendant", `suggestion-${active}`);
  return list.children[active].scrollIntoView({ block: "nearest" });
}

function move(step) {
  const from = marked();
  active = (Math.max(from, step < 0 ? 0 : -1) + step + offered.length) % offered.length;
  mark();
}

function take(offer) {
  const patch = offer.patch();
  leave();
  change(patch);
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
  if (active >= 0) return take(offered[active]);
  const { words, word, tagFirst } = typed();
  if (!words) return editing && change(removeExample(editing));
  try {
    return take(offers(tagFirst ? await alike(word) : [])[0]);
  } catch (failure) {
    if (!(failure instanceof api.ApiError)) throw failure;
    return notify(failure.message, "error");
  }
}

/** Backspace in the empty field takes the chip before it: a tag goes, words come back into the field. */
function takeBack(event) {
  const { like, unlike, tags } = state(), key = unlike.at(-1) ?? like.at(-1) ?? "";
  if (editing) return change(removeExample(editing));
  if (tags.length) return change({ tags: tags.slice(0, -1) });
  if (!isText(key)) return undefined;
  event.preventDefault();
  return edit(key);
}

function pressed(event) {
  if (event.isComposing) return; // Enter and arrows are those of the input method
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (!offered.length) return;
    event.preventDefault();
    move(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter") {
    event.preventDefault();
    enter();
  } else if (event.key === "Escape") {
    event.stopPropagation();
    if (!get("suggestions-box").hidden) close();
    else if (editing) leave();
    else field.blur();
  } else if (event.key === "Backspace" && !field.value) {
    takeBack(event);
  }
}

/** Put the words of a text back into the field; what is taken next stands in its place. */
export function edit(key) {
  editing = key;
  field.value = writeTag(wordsOf(key), state().unlike.includes(key));
  onEdit();
  if (document.activeElement === field) suggest();
  else field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}
/** Key of the text that is being edited, or "". */
export const edited = () => editing;

/** Start the field; `whenEditing` is told when a text's words come into it, and when they leave it. */
export function start(whenEditing) {
  onEdit = whenEditing;
  const narrow = matchMedia("(max-width: 44rem)").matches;
  field.addEventListener("keydown", pressed);
  field.addEventListener("input", () => {
    active = -1;
    mark();
    clearTimeout(timer);
    timer = setTimeout(suggest, PATIENCE);
  });
  field.addEventListener("focus", suggest);
  field.addEventListener("blur", close);
  subscribe((now) => {
    const { like, unlike, tags } = now;
    if (editing && !like.includes(editing) && !unlike.includes(editing)) leave();
    field.placeholder = like.length + unlike.length + tags.length ? TEXT.searchMore : narrow ? TEXT.searchHintShort : TEXT.searchHint;
  });
}
