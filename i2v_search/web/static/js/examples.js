// What is searched for, as chips in the search field: example pictures, texts and tags, each removable.

import { act, title } from "./actions.js";
import { small } from "./cropped.js";
import { get, h, name } from "./dom.js";
import { giveKeys } from "./drag.js";
import { icon } from "./icons.js";
import { watchIn } from "./missing.js";
import * as parts from "./part.js";
import { imageOf, isSketch, isText, keyOf, partOf, uploaded } from "./reference.js";
import { edit, edited } from "./searchbox.js";
import { open } from "./sketchpad.js";
import * as change from "./state.js";
import { TEXT, say } from "./strings.js";
import { parseName, parseTag } from "./tagquery.js";

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
    const { image, holder } = small(key, 44);
    watchIn(image, () => chip);
    turn.prepend(holder);
    if (isSketch(key)) turn.append(h("span", { class: "drawn" }, icon("pen")));
    turn.after(uses(key));
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

/** How an image is used: as a drawing or as a picture, all of it or a part. */
function uses(key) {
  const image = imageOf(key), sketch = isSketch(key), part = partOf(key);
  const use = (sign, way, text, label, attributes = {}) =>
    name(h("button", { type: "button", class: "use-as", "data-use": sign, on: { click: way }, ...attributes }, icon(sign), h("span", {}, text)), label);
  const swap = (sign, wanted) => () => {
    const next = keyOf(image, { sketch, part, ...wanted });
    change.change(change.replaceExample(key, next));
    const [chip] = [...get("examples").children].filter((each) => each.dataset.key === next);
    (chip?.querySelector(`[data-use=${sign}]`) ?? chip?.querySelector(".turn"))?.focus();
  };
  return h("span", { class: "letters" },
    use("pen", swap("pen", { sketch: !sketch }), TEXT.drawing, TEXT.isDrawing, { "aria-pressed": String(sketch) }),
    use("part", () => parts.edit(key), TEXT.part, TEXT.choosePart, { "aria-pressed": String(Boolean(part)) }),
    part ? use("fit", swap("part", { part: null }), TEXT.whole, TEXT.searchWhole) : null,
    sketch && uploaded(key) ? use("brush", () => open(key), TEXT.editDrawing, TEXT.drawOn) : null);
}

function tag(text) {
  const { without, name: word } = parseTag(text);
  const remove = name(h("button", { type: "button", class: "remove" }, icon("close")), say(TEXT.removeTag, word));
  remove.addEventListener("click", () => leave(remove, change.toggleTag(text)));
  return h("li", { class: `wanted ${without ? "unlike" : "like"}` }, h("span", {}, without ? say(TEXT.without, word) : word), remove);
}

/** A condition on where a picture lies or what its file is called. */
function condition(sign, text, without, label, patch) {
  const remove = name(h("button", { type: "button", class: "remove" }, icon("close")), say(label, text));
  remove.addEventListener("click", () => leave(remove, patch()));
  const shown = h("span", { dir: "auto", title: text }, without ? say(TEXT.without, text) : text);
  return h("li", { class: `wanted ${sign} ${without ? "unlike" : "like"}` }, icon(sign), shown, remove);
}
function inFolder(text) {
  const { without, name: path } = parseName(text);
  return condition("folder", path, without, TEXT.removeFolder, () => change.removeFolder(text));
}
function named(text) {
  const { without, name: word } = parseName(text);
  return condition("file", word, without, TEXT.removeName, () => change.removeName(text));
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
    if (now.like === before.like && now.unlike === before.unlike && now.tags === before.tags
      && now.folder === before.folder && now.name === before.name) {
      get("clear").hidden = clean(now);
      return;
    }
    draw(now);
  });
}

/** Draw the chips; again when names of images have become known. */
export function draw(now) {
  get("examples").replaceChildren(
    ...now.like.map((key) => example(key, true)), ...now.unlike.map((key) => example(key, false)),
    ...now.tags.map(tag), ...now.folder.map(inFolder), ...now.name.map(named));
  get("examples").hidden = !get("examples").children.length;
  get("clear").hidden = clean(now);
}
const clean = (now) => !change.searching(now) && !change.filtering(now);
