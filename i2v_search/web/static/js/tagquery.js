// How a tag is written where one asks for it, as the server reads an entry of a list: a leading "-" excludes,
// and quotation marks hold a name that begins with "-".

const FACES = new Set(["-_-", "-_o", "-o-", "-3-", "-w-", "-0-"]); // mean themselves
const QUOTED = /^\s*(-?)\s*"((?:[^"\\]|\\.)*)"\s*$/s;
const plain = (text) => text.replace(/\\([\\,"-])/g, "$1");

const LONGEST = 1000; // letters of a tag that the server takes

/** What a text asks for: the tag's name, and whether it is left out. */
export function parseTag(text) {
  const quoted = QUOTED.exec(text);
  if (quoted) return { without: quoted[1] === "-", name: plain(quoted[2]) };
  const trimmed = text.trim();
  if (FACES.has(trimmed) || !trimmed.startsWith("-")) return { without: false, name: plain(trimmed) };
  return { without: true, name: plain(trimmed.slice(1).trim()) };
}

/** The text that asks for a tag, or leaves it out. */
export function writeTag(name, without = false) {
  const meansMore = /^-|["\\]/.test(name) || (without && FACES.has(`-${name}`));
  return (without ? "-" : "") + (meansMore ? `"${name.replace(/[\\"]/g, "\\$&")}"` : name);
}

/** Whether a tag can be asked for, and left out. */
export const askable = (name) => name.length <= LONGEST;

/** How a word of a file's name, or a folder, is written where one asks for it, and read: a leading "-" excludes, "\\-" is a hyphen. */
export const writeName = (word, without = false) => (without ? "-" : /^[-\\]/.test(word) ? "\\" : "") + word;
export const parseName = (text) =>
  (text.startsWith("-") ? { without: true, name: text.slice(1) } : { without: false, name: text.replace(/^\\/, "") });
