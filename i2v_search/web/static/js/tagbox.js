// The field for tags, with suggestions: those that begin like the text, or often stand beside the last tag.

import * as api from "./api.js";
import { get, h } from "./dom.js";
import { notify } from "./notice.js";
import { change, state, toggleTag } from "./state.js";
import { TEXT, say } from "./strings.js";
import { parseTag, writeTag } from "./tagquery.js";

const MOST = 8, PATIENCE = 120;
const field = get("tag"), list = get("suggestions");
let options = [], active = -1, asking = null, timer = 0, said = { word: "", found: [] };

const parsed = () => parseTag(field.value.trim().toLowerCase());
const names = (tags) => tags.map((tag) => parseTag(tag).name);

/** Tags that begin like a word; the last word is not asked for twice. */
async function beginning(word, signal) {
  if (said.word !== word) said = { word, found: await api.tagsLike(word, MOST, signal) };
  return said.found;
}

async function suggest() {
  asking?.abort();
  const { signal } = (asking = new AbortController());
  const { name: word } = parsed();
  const [last] = names(state().tags.filter((tag) => !parseTag(tag).without)).slice(-1);
  try {
    let heading = "", found = [];
    if (word) found = await beginning(word, signal);
    else if (last) [heading, found] = [say(TEXT.together, last), await api.tagsWith(last, MOST, signal)];
    const used = new Set(names(state().tags));
    if (document.activeElement === field) draw(found.filter((tag) => !used.has(tag.name)), heading, word);
  } catch (failure) {
    if (failure.name !== "AbortError") close();
  }
}

function draw(found, heading, word) {
  options = found;
  active = -1;
  const rows = found.map((tag, at) => {
    const option = h("li", { role: "option", id: `suggestion-${at}`, "aria-selected": "false" },
      h("span", { class: "word" }, tag.name),
      h("span", { class: "kind" }, tag.category === "general" ? "" : TEXT.categories[tag.category] ?? tag.category),
      h("span", { class: "count" }, tag.count.toLocaleString()));
    option.addEventListener("pointerdown", (event) => { event.preventDefault(); take(tag.name); });
    return option;
  });
  get("suggestions-title").textContent = heading || (found.length || !word ? "" : TEXT.noSuchTag);
  list.replaceChildren(...rows);
  const open = rows.length > 0 || Boolean(word);
  get("suggestions-box").hidden = !open;
  field.setAttribute("aria-expanded", String(rows.length > 0));
  field.removeAttribute("aria-activedescendant");
}

function close() {
  asking?.abort();
  clearTimeout(timer);
  options = [];
  active = -1;
  get("suggestions-box").hidden = true;
  field.setAttribute("aria-expanded", "false");
  field.removeAttribute("aria-activedescendant");
}

function choose(at) {
  active = at;
  [...list.children].forEach((row, each) => row.setAttribute("aria-selected", String(each === at)));
  if (at < 0) field.removeAttribute("aria-activedescendant");
  else {
    field.setAttribute("aria-activedescendant", `suggestion-${at}`);
    list.children[at].scrollIntoView({ block: "nearest" });
  }
}

function take(word) {
  const { without } = parsed();
  field.value = "";
  close();
  change(toggleTag(writeTag(word, without)));
}

async function enter() {
  const { name: word } = parsed();
  if (active >= 0) return take(options[active].name);
  if (!word) return;
  let found;
  try {
    found = await beginning(word);
  } catch (failure) {
    return notify(failure.message, "error");
  }
  const best = found.find((tag) => tag.name.toLowerCase() === word) ?? found[0];
  if (best) take(best.name);
  else notify(`${TEXT.noSuchTag}: ${word}`, "error", 5);
}

function pressed(event) {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (!options.length) return;
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    choose(((active + 1 + step + options.length + 1) % (options.length + 1)) - 1);
  } else if (event.key === "Enter") {
    event.preventDefault();
    enter();
  } else if (event.key === "Escape") {
    event.stopPropagation();
    if (!get("suggestions-box").hidden) close();
    else field.blur();
  } else if (event.key === "Backspace" && !field.value && state().tags.length) {
    change({ tags: state().tags.slice(0, -1) });
  }
}

export function start() {
  field.placeholder = matchMedia("(max-width: 44rem)").matches ? TEXT.tagBoxHintShort : TEXT.tagBoxHint;
  field.addEventListener("keydown", pressed);
  field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(suggest, PATIENCE); });
  field.addEventListener("focus", suggest);
  field.addEventListener("blur", close);
}
