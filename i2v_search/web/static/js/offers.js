// What can be taken of a part that is typed: words, tags, folders and files, each with what it changes.

import * as api from "./api.js";
import { fileName, toText } from "./reference.js";
import { addFolder, addName, removeExample, searchWords, searching, state, toggleTag } from "./state.js";
import { TEXT, say } from "./strings.js";
import { askable, parseTag, writeName, writeTag } from "./tagquery.js";

const MOST_TAGS = 8, MOST_NAMES = 8, SHOWN_NAMES = 4, LONGEST_TAG = 100, LONGEST_NAME = 100;
const TAGGED = ["words", "either", "tag"], NAMED = ["words", "folder", "name"];
const NOTHING = { tags: [], names: [] };
let last = { asked: "", found: NOTHING };

const tagNames = (tags) => tags.map((tag) => parseTag(tag).name);

/** Ask the server for tags that begin so or mean the same, folders and files; the last part is not asked for twice. */
export async function lookUp({ kind, text }, signal) {
  const word = text.toLowerCase(), asked = JSON.stringify([kind, word]);
  if (!text || word.length > LONGEST_TAG) return NOTHING;
  if (last.asked !== asked) {
    const [tags, names] = await Promise.all([
      TAGGED.includes(kind) ? api.tagsLike(word, MOST_TAGS, signal) : [],
      NAMED.includes(kind) ? api.namesLike(text, MOST_NAMES, signal) : [],
    ]);
    last = { asked, found: { tags, names } };
  }
  return last.found;
}

/** Tags that stand beside the last one asked for; none where none is. */
export async function together(signal) {
  const [name] = tagNames(state().tags.filter((tag) => !parseTag(tag).without)).slice(-1);
  const tags = name === undefined ? [] : await api.tagsWith(name, MOST_TAGS, signal);
  const used = new Set(tagNames(state().tags));
  const rows = tags.filter((tag) => !used.has(tag.name) && askable(tag.name)).map((tag) => tagOffer(tag, { without: false, kind: kindOf(tag) }));
  return { heading: rows.length ? say(TEXT.together, name) : "", rows };
}

/** What Enter takes for a part; undefined where it is a tag that none begins like. */
export async function usual(part, editing = "") {
  return offers(part, ["words", "name"].includes(part.kind) ? NOTHING : await lookUp(part), editing)[0];
}

/** Offers for a part, first what Enter takes; `editing` is the key of the text that they stand in place of. */
export function offers(part, found = NOTHING, editing = "") {
  const tags = tagOffers(part, found.tags, editing), words = wordOffer(part, editing);
  const folders = found.names.filter((name) => name.kind === "folder").slice(0, SHOWN_NAMES).map((folder) => folderOffer(folder, part.without));
  const files = found.names.filter((name) => name.kind === "file").slice(0, SHOWN_NAMES);
  const named = [...(part.kind === "name" || files.length ? [nameOffer(part)] : []), ...(part.without ? [] : files.map(fileOffer))];
  switch (part.kind) {
    case "tag": return [...tags.near, ...tags.far];
    case "folder": return folders.length ? folders : [patternOffer(part)];
    case "name": return named;
    case "either": return [...tags.near, words, ...tags.far];
    default: return [words, ...tags.near, ...tags.far, ...(editing ? [] : [...folders, ...named])];
  }
}

function wordOffer({ text, without }, editing) {
  const wording = without ? TEXT.searchAway : editing ? TEXT.searchInstead : searching(state()) ? TEXT.searchAlso : TEXT.searchFor;
  return { section: TEXT.sections.words, sign: "search", text: say(wording, text), patch: () => searchWords(toText(text), without, editing) };
}

/** Tags that begin like the part, and others. */
function tagOffers({ text, without }, found, editing) {
  const word = text.toLowerCase(), used = new Set(tagNames(state().tags));
  const begins = (name) => name.startsWith(word) || name.includes(` ${word}`);
  const rank = ({ name }) => (name.toLowerCase() === word ? 0 : begins(name.toLowerCase()) ? 1 : 2);
  const sorted = found.filter((tag) => askable(tag.name)).toSorted((one, two) => rank(one) - rank(two)); // those of a rank stay in their order
  const near = sorted.filter((tag) => rank(tag) < 2), far = sorted.filter((tag) => rank(tag) === 2);
  const fresh = (tags) => tags.filter((tag) => !used.has(tag.name) || rank(tag) === 0).map((tag) =>
    tagOffer(tag, { without, editing, kind: kindOf(tag) || (rank(tag) < 2 || word.includes(tag.name) ? "" : TEXT.alikeTag) }));
  return { near: fresh(near), far: fresh(far) };
}
const kindOf = (tag) => (tag.category === "general" ? "" : TEXT.categories[tag.category] ?? tag.category);

const tagOffer = (tag, { without, editing = "", kind }) => ({
  section: TEXT.sections.tags, sign: "tag", kind, count: tag.count.toLocaleString(),
  text: without ? say(TEXT.without, tag.name) : tag.name,
  patch: () => ({ ...(editing ? removeExample(editing) : {}), ...toggleTag(writeTag(tag.name, without)) }),
});

const folderOffer = ({ path, images }, without) => ({
  section: TEXT.sections.folders, sign: "folder", text: without ? say(TEXT.notInFolder, path) : path, count: images.toLocaleString(),
  patch: () => addFolder(writeName(path, without)),
});
// No folder is called so: it may be a pattern, as "*/portraits" is.
const patternOffer = ({ text, without }) => ({
  section: TEXT.sections.folders, sign: "folder", text: say(without ? TEXT.notInFolder : TEXT.inFolder, text),
  patch: () => addFolder(writeName(text, without)),
});

function nameOffer({ text, without }) {
  const name = text.slice(0, LONGEST_NAME);
  return {
    section: TEXT.sections.files, sign: "file", text: say(without ? TEXT.nameHasNot : TEXT.nameHas, name),
    patch: () => addName(writeName(name, without)),
  };
}
const fileOffer = ({ path, id }) => ({
  section: TEXT.sections.files, sign: "image", text: fileName(path), kind: path.slice(0, Math.max(0, path.length - fileName(path).length - 1)),
  patch: () => ({ image: String(id) }),
});
