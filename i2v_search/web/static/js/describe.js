// A search in a line of words.

import { title } from "./actions.js";
import { inForce } from "./conditions.js";
import { fileName } from "./reference.js";
import { TEXT, say } from "./strings.js";
import { parseName, parseTag } from "./tagquery.js";

const without = (text, out) => (out ? say(TEXT.without, text) : text);

export function describe(wanted) {
  return [
    ...wanted.like.map(title),
    ...wanted.unlike.map((key) => without(title(key), true)),
    ...wanted.tags.map(parseTag).map((tag) => without(tag.name, tag.without)),
    ...wanted.folder.map(parseName).map((path) => say(path.without ? TEXT.notInFolder : TEXT.inFolder, fileName(path.name))),
    ...wanted.name.map(parseName).map((word) => say(word.without ? TEXT.nameHasNot : TEXT.nameHas, word.name)),
    ...inForce(wanted).map(([, text]) => text),
    ...(wanted.order ? [TEXT.orders[wanted.order]] : []),
  ].join(" · ");
}
