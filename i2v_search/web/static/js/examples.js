// What is searched for, as chips in the search field: example pictures, texts and tags, each removable.

import { act, title } from "./actions.js";
import { get, h, name } from "./dom.js";
import { giveKeys } from "./drag.js";
import { icon } from "./icons.js";
import { watchIn } from "./missing.js";
import { isText, thumbnail } from "./reference.js";
import { edit, edited } from "./searchbox.js";
import * as change from "./state.js";
import { TEXT, say } from "./strings.js";
import { parseTag } from "./tagquery.js";

function example(key, wanted) {
  const label = say(wanted ? TEXT.likeIt : TEXT.unlikeIt, title(key));
  const turn = name(h("button", { type: "button", class: "turn", draggable: "true" }, h("span", { class: "sign" }, wanted ? "+" : "−")), label);
  turn.addEventListener("click", () => {
    change.change(wanted ? change.addUnlike(key) : change.addLike(key));
    [...get("examples").children].find((each) => each.dataset.key === key)?.querySelector(".turn").focus();
  });
  const remove = name(h("button", { type: "button", class: "remove" }, icon("close")), say(TEXT.removeExample, title(key)));
  remove.addEventListener("click", () => leave(remove, change.removeExample(key)));
  const chip = h("li", { class: `example ${wanted ? "like" : "unlike"}`, "data-key": key }, turn, remove);
  if (isText(key)) {
    turn.after(words(key), ends(key));
    chip.hidden = key === edited();
  } else {
    const picture = h("img", { src: thumbnail(key, 40), alt: "", draggable: "false" });
    watchIn(picture, () => chip);
    turn.prepend(picture);
  }
  return chip;
}

/** The words of a text, to be changed when pressed. */
function words(key) {
  const button = name(h("button", { type: "button", class: "words", dir: "auto", draggable: "true" }, title(key)), say(TEXT.editText, title(key)));
  button.addEventListener("click", () => edit(key));
  return button;
}

/** A and B: to begin or end a morph with a text. */
function ends(key) {
  return h("span", { class: "letters" }, ...Object.entries(TEXT.slots).map(([slot, letter]) =>
    name(h("button", { type: "button", class: `letter ${slot}`, on: { click: () => act(slot, key) } }, letter), slot === "a" ? TEXT.asA : TEXT.asB)));
}

function tag(text) {
  const { without, name: word } = parseTag(text);
  const remove = name(h("button", { type: "button", class: "remove" }, icon("close")), say(TEXT.removeTag, word));
  remove.addEventListener("click", () => leave(remove, change.toggleTag(text)));
  return h("li", { class: `wanted ${without ? "unlike" : "like"}` }, h("span", {}, without ? say(TEXT.without, word) : word), remove);
}

/** Drop a chip and keep the focus near it. */
function leave(button, patch) {
  const buttons = [...get("examples").querySelectorAll(".remove")], at = buttons.indexOf(button);
  change.change(patch);
  const left = [...get("examples").querySelectorAll(".remove")];
  (left[Math.min(at, left.length - 1)] ?? get("search")).focus();
}

export function start() {
  giveKeys(get("examples"));
  get("clear").addEventListener("click", () => { change.change(change.clearSearch()); get("search").focus(); });
  change.subscribe((now, before) => {
    if (now.like === before.like && now.unlike === before.unlike && now.tags === before.tags) return;
    draw(now);
  });
}

/** Draw the chips; again when names of images have become known. */
export function draw(now) {
  get("examples").replaceChildren(
    ...now.like.map((key) => example(key, true)), ...now.unlike.map((key) => example(key, false)), ...now.tags.map(tag));
  get("examples").hidden = !get("examples").children.length;
  get("clear").hidden = !change.searching(now);
}
