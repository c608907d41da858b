// How a query is written in the search field: parts with commas between them, as in
//   a red dragon, -toy, folder:concept, name:sketch
// Each is words, a tag ("tag:", or with "-" or quotation marks), a folder ("folder:") or part of a file's name ("name:").

import { parseTag, writeTag } from "./tagquery.js";

const FIELD = /^(-?)\s*(tag|folder|name|file):\s*(\S.*|)$/is;
const KINDS = { tag: "tag", folder: "folder", name: "name", file: "name" };
const PIECES = /(?:-?\s*"(?:[^"\\]|\\.)*"|[^,])+/gs; // a comma between quotation marks parts nothing

/**
 * What one part asks for: its kind, its text, and whether it is left out.
 * "words" may be anything, "either" is a tag if there is one that begins so, and else words; the others are said.
 */
export function parsePart(written) {
  const text = written.trim(), field = FIELD.exec(text);
  if (field) return { kind: KINDS[field[2].toLowerCase()], text: parseTag(field[3]).name.trim(), without: field[1] === "-" };
  const { name, without } = parseTag(text);
  return { kind: /^[-"]/.test(text) ? "either" : "words", text: name, without };
}

/** The parts of what is written. Words alone are one part, whatever commas they have. */
export function parseQuery(written) {
  const parts = (written.match(PIECES) ?? []).map(parsePart).filter((part) => part.text);
  if (parts.some((part) => part.kind !== "words")) return parts;
  const whole = parsePart(written);
  return whole.text ? [whole] : [];
}

/** Words as they are written so that they are read as words, or as words to be unlike. */
export function writeWords(words, without) {
  const written = writeTag(words, without);
  const [read, ...more] = parseQuery(written);
  return !more.length && read?.text === words ? written : `${without ? "-" : ""}"${words.replace(/[\\"]/g, "\\$&")}"`;
}
