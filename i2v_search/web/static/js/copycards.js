// The pictures of a group of copies side by side, each with the facts that decide which one to keep.

import { h, name } from "./dom.js";
import { amount } from "./copytrash.js";
import { icon } from "./icons.js";
import { fileName, thumbnail } from "./reference.js";
import { TEXT, say } from "./strings.js";

const texts = TEXT.copyView, day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const endingOf = (path) => (/\.([a-z0-9]{1,5})$/i.exec(path)?.[1] ?? "").toUpperCase();
const pixels = ({ width, height }) => width * height;

/** What sets a picture apart from the others of its group. */
function badges(member, members) {
  const most = (of) => members.every((each) => each === member || of(each) < of(member));
  return [
    member.kind === "exact" ? texts.exact : member.kind === "near" ? say(texts.near, member.score.toFixed(3)) : texts.best,
    most(pixels) && texts.mostPixels,
    most(({ bytes }) => bytes) && texts.largestFile,
    member.is_link ? texts.link : !member.removable && texts.notRemovable,
  ].filter(Boolean);
}

const fact = (label, ...value) => h("div", {}, h("dt", {}, label), h("dd", {}, ...value));

/** A card; `acts` are what is done with its picture: keep, mark, apart, choose and show, each called with its key. */
export function card(member, members, at, acts) {
  const { key, path } = member, file = fileName(path);
  const picture = h("button", { type: "button", class: "copy-picture", on: { click: () => acts.choose(key) } },
    h("img", { src: thumbnail(key, 400), alt: file, loading: "lazy", draggable: "false" }));
  name(picture, say(texts.chooseOther, file));
  const mark = h("input", { type: "checkbox", class: "copy-mark", disabled: member.in_archive || member.is_link });
  mark.addEventListener("change", () => acts.mark(key, mark.checked));
  const button = (text, sign, way, label) => name(h("button", { type: "button", on: { click: way } }, icon(sign), text), label);
  const keep = button(texts.keep, "check", () => acts.keep(key), at < 9 ? say(texts.keepLabel, file, at + 1) : say(texts.keepLabelLater, file));
  keep.classList.add("copy-keep");
  const apart = members.every(({ version }) => version === member.version) || member.kind === "exact" ? null : button(texts.notCopy, "without", () => acts.apart(key), say(texts.notCopyLabel, file));
  const look = name(h("button", { type: "button", class: "plain round", on: { click: () => acts.show(key) } }, icon("look")), say(texts.showLarge, file));
  return h("li", { class: "copy-card", "data-key": key },
    picture,
    h("p", { class: "copy-badges" }, ...badges(member, members).map((text) => h("span", {}, text))),
    h("p", { class: "copy-name" }, h("bdi", {}, file), look),
    h("dl", {},
      fact(texts.pixels, say(TEXT.size, member.width.toLocaleString(), member.height.toLocaleString())),
      fact(texts.file, [endingOf(path), amount(member.bytes), day.format(new Date(member.modified))].filter(Boolean).join(" · ")),
      fact(texts.folder, h("bdi", {}, path.slice(0, -file.length) || "/"))),
    h("div", { class: "copy-ways" }, keep, apart, h("label", { class: "copy-mark-line" }, mark, h("span", {}, texts.mark))));
}
