// One picture of the grid: what is seen of it, said of it and done with it. A tile is filled again with another picture.

import { title } from "./actions.js";
import { h, name } from "./dom.js";
import { inPlace, put } from "./fitted.js";
import { cutMark, cutWords, lay, ratio } from "./glimpse.js";
import { icon } from "./icons.js";
import { extreme } from "./justify.js";
import { watchIn } from "./missing.js";
import { fileName, known, thumbnail } from "./reference.js";
import { address, changed, searchFrom } from "./state.js";
import { TEXT, count, say } from "./strings.js";

const TOOLS = [["like", "plus", TEXT.addLike], ["unlike", "minus", TEXT.addUnlike], ["a", "A", TEXT.asA], ["b", "B", TEXT.asB], ["show", "look", TEXT.show]];
const TOOL_STRIP = h("span", { class: "tools" }, ...TOOLS.map(([action, sign, text]) => tool(action, sign, text)));

function tool(action, sign, text) {
  const button = h("button", { type: "button", tabindex: "-1", "data-act": action, class: `tool ${action}` });
  button.append(sign.length === 1 ? sign : icon(sign));
  return name(button, text);
}

export const linkOf = (tile) => tile.firstElementChild;

export const empty = () => h("li", { class: "tile" }, h("a", { class: "picture", tabindex: "-1", draggable: "true" }), TOOL_STRIP.cloneNode(true), h("span", { class: "name", dir: "auto", "aria-hidden": "true" }));

/** Show a picture of this height in a tile. */
export function fill(tile, hit, height) {
  const { key } = hit;
  const copies = hit.copies ? count(TEXT.copiesLeftOut, hit.copies) : "";
  const label = `${title(key)}${copies && ` ${copies}`}${cutWords(key) && ` (${cutWords(key)})`}${hit.tags.length ? `: ${hit.tags.join(", ")}` : ""}`;
  const facts = h("span", { class: "facts" });
  if (hit.score !== null && hit.score !== undefined) {
    facts.append(h("span", { class: "score", "aria-label": say(TEXT.score, hit.score.toFixed(2)) }, hit.score.toFixed(2)));
  }
  const why = hit.why.filter((reason) => TEXT.why[reason]); // "meaning" alone goes without saying
  if (why.length) facts.append(h("span", { class: "why", "aria-hidden": "true" }, why.map((reason) => TEXT.why[reason]).join(" · ")));
  if (copies) facts.append(h("span", { class: "copies" }, copies));
  facts.append(h("span", { class: "shared" }, hit.tags.slice(0, 4).join(" · ") || title(key)));

  // A picture of its own for each: one that is given another address shows the picture before until that has come.
  const picture = h("img", { alt: label, decoding: "async", draggable: "false" });
  watchIn(picture, () => tile, key);
  picture.src = thumbnail(key, height * Math.max(1, ratio(hit)));
  tile.dataset.key = key;
  tile.classList.remove("missing");
  tile.classList.toggle("with-copies", Boolean(hit.copies));
  tile.removeAttribute("title");
  const link = linkOf(tile);
  link.href = address(changed(searchFrom(key)));
  link.setAttribute("aria-describedby", [...why.map((reason) => `why-${reason}`), ...(hit.box ? ["why-part"] : []), "tile-help"].join(" "));
  tile.querySelector(".name").textContent = fileName(known(key).path ?? "");
  link.replaceChildren(...[picture, cutMark(key), facts, hit.box ? h("span", { class: "found" }) : null].filter(Boolean));
}

/** Put a tile where its picture lies. */
export function place(tile, hit, box) {
  for (const side of ["left", "top", "width", "height"]) tile.style[side] = `${box[side]}px`;
  const room = [box.width, box.height], picture = tile.querySelector("img");
  // A picture fills its box but for the rounding, where the box has its shape.
  const { thumbnail: at, whole, scale } = lay([hit.width || 1, hit.height || 1], room, extreme(ratio(hit)) ? "contain" : "cover");
  const filled = scale < 1 && !extreme(ratio(hit));
  ["left", "top", "width", "height"].forEach((side, n) => { picture.style[side] = filled ? "" : `${at[n]}px`; });
  picture.classList.toggle("crisp", scale > 1);
  if (hit.box) {
    const found = inPlace(hit.box, whole, room), frame = tile.querySelector(".found");
    put(frame, found);
    frame.hidden = !(found[2] && found[3]);
  }
}

/** Take the picture out of a tile; one that has not come is no longer waited for. */
export function vacate(tile) {
  const picture = tile.querySelector("img");
  if (!picture.complete) picture.removeAttribute("src");
  tile.remove();
}

/** Show on a tile what its picture is used for. */
export function badge(tile, signs) {
  tile.querySelector(".uses")?.remove();
  if (!signs) return;
  tile.append(h("span", { class: "uses" }, ...signs.map((sign) =>
    h("span", { class: `use ${sign}`, role: "img", "aria-label": TEXT.badges[sign] }, sign === "via" ? icon("pin") : sign))));
}
