// What the file of the picture shown large says of itself, and the files beside it: format, date, camera, captions, tags.

import { get, h } from "./dom.js";
import { TEXT, count, say } from "./strings.js";

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
let origins = new Map(); // tag -> file that gives it

/** Where a tag comes from: a file beside the picture, or "" (then a tagger, or nobody knows). */
export const originOf = (tag) => origins.get(tag) ?? "";

export function clear() {
  origins = new Map();
  get("file-facts").replaceChildren();
  get("captions").replaceChildren();
  get("tagger").hidden = true;
}

const line = (label, text) => h("div", {}, h("dt", {}, label), h("dd", {}, h("bdi", {}, text)));

/** A value of a column; a moment as people write it. */
const said = (value) => (/^\d{4}-\d\d-\d\dT[\d:]+Z$/.test(value) ? day.format(new Date(value)) : String(value));

/** Say what the collection knows, and `details` of the file, null where it cannot be read. */
export function show(facts, details) {
  const lines = [];
  if (details?.format) lines.push(line(TEXT.look.format, details.frames > 1 ? `${details.format} · ${count(details.times.length ? TEXT.look.frameCount : TEXT.look.pageCount, details.frames)}` : details.format));
  if (facts.modified) lines.push(line(TEXT.look.modified, day.format(new Date(facts.modified))));
  for (const { kind, text } of details?.statements ?? []) lines.push(line(TEXT.look.statements[kind], text));
  for (const [name, value] of Object.entries(facts.columns ?? {})) lines.push(line(name, said(value)));
  get("file-facts").replaceChildren(...lines);
  origins = new Map((details?.tag_files ?? []).toReversed().flatMap(({ name, tags }) => tags.map((tag) => [tag, name])));
  const captions = (details?.tag_files ?? []).filter(({ text }) => text);
  get("captions").replaceChildren(...captions.map(({ name, text }) =>
    h("figure", {}, h("figcaption", {}, h("bdi", {}, name)), h("blockquote", { dir: "auto" }, text))));
  get("tagger").hidden = !details;
  get("tagger").textContent = details ? say(TEXT.look.tagger, details.tagger) : "";
}
