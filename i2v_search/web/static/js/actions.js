// What can be done with a picture or a text, wherever it is shown: by button, key or menu.

import { announce } from "./notice.js";
import { fileName, imageOf, isText, known, partOf, wordsOf } from "./reference.js";
import * as change from "./state.js";
import { TEXT, say } from "./strings.js";

const PATCHES = {
  search: change.searchFrom,
  like: change.addLike,
  unlike: change.addUnlike,
  a: (key) => change.setSlot("a", key),
  b: (key) => change.setSlot("b", key),
  via: change.goThrough,
  show: (key) => ({ image: imageOf(key) }),
  out: change.leaveOut,
  unpin: change.notThrough,
};
const KEYS = {
  "+": "like", "=": "like", "-": "unlike", "−": "unlike", a: "a", b: "b", v: "via", i: "show", " ": "show",
};

/** What people call it: a text in quotation marks, a picture by its file's name without the ending. */
export function title(key) {
  if (isText(key)) return say(TEXT.quoted, wordsOf(key));
  const { path } = known(key);
  const name = path ? fileName(path).replace(/\.[a-z0-9]{2,5}$/i, "") : say("#{0}", imageOf(key).slice(0, 8));
  return partOf(key) ? say(TEXT.partOf, name) : name;
}

export function act(action, key) {
  if (action === "show" && isText(key)) return;
  if (action === "via" && !(change.state().a && change.state().b)) return;
  change.change(PATCHES[action](key));
  const said = { a: TEXT.asA, b: TEXT.asB, like: TEXT.addLike, unlike: TEXT.addUnlike }[action];
  if (said) announce(`${said}: ${title(key)}`);
  if (action === "via") announce(say(TEXT.viaAdded, title(key)));
}

/** The action that a key stands for on a picture, or undefined. */
export const actionOf = (pressed) => KEYS[pressed.length === 1 ? pressed.toLowerCase() : pressed];
