// A and B: the ends of the morph. Drop a picture, a file or a text there, or press to choose a file.

import { act, title } from "./actions.js";
import { get, h, name } from "./dom.js";
import { giveKeys, takeDrops } from "./drag.js";
import { choose, slotFromFiles } from "./dropzone.js";
import { icon } from "./icons.js";
import { watchIn } from "./missing.js";
import { isText, thumbnail } from "./reference.js";
import { change, setSlot, state, subscribe } from "./state.js";
import { TEXT, say } from "./strings.js";

const SLOTS = ["a", "b"];

function picture(key, place) {
  const image = h("img", { src: thumbnail(key, 96), alt: "", draggable: "false" });
  watchIn(image, () => place);
  return image;
}

/** Draw a slot; again when the name of its image has become known. */
export function draw(slot) {
  const key = state()[slot], letter = TEXT.slots[slot], place = get(`slot-${slot}`);
  place.classList.toggle("filled", Boolean(key));
  const button = h("button", { type: "button", class: "hold" });
  if (key) {
    place.dataset.key = key;
    button.append(isText(key) ? h("span", { class: "words", dir: "auto" }, title(key)) : picture(key, place));
    button.draggable = true;
  } else {
    delete place.dataset.key;
  }
  place.classList.remove("missing");
  button.append(h("span", { class: "letter", "aria-hidden": "true" }, letter));
  name(button, key ? say(isText(key) ? TEXT.slotText : TEXT.slotFilled, letter, title(key)) : say(TEXT.slotEmpty, letter));
  button.addEventListener("click", () => (key ? act(isText(key) ? "search" : "show", key) : choose(slot)));
  const clear = name(h("button", { type: "button", class: "remove" }, icon("close")), say(TEXT.slotClear, letter));
  clear.addEventListener("click", () => {
    change({ [slot]: "", out: [], via: [] });
    (place.checkVisibility() ? place.querySelector("button") : get("search")).focus(); // with both ends gone, so is the dock
  });
  place.replaceChildren(button, ...(key ? [clear] : []));
}

export function start() {
  for (const slot of SLOTS) {
    giveKeys(get(`slot-${slot}`));
    takeDrops(get(`slot-${slot}`), ({ key, files }) => {
      if (key) change(setSlot(slot, key));
      else slotFromFiles(slot, files);
    });
  }
  subscribe((now, before) => {
    for (const slot of SLOTS) if (now[slot] !== before[slot] || !get(`slot-${slot}`).children.length) draw(slot);
    const filled = SLOTS.filter((slot) => now[slot]).length;
    const touch = matchMedia("(hover: none)").matches;
    get("slots-hint").textContent = [touch ? TEXT.slotsHintTouch : TEXT.slotsHint, TEXT.slotsHintOne, ""][filled];
    get("slots-hint").hidden = filled === 2;
  });
}
