// Pictures that cannot be shown, since their files are gone or damaged: said on each of them, and above the grid.

import * as api from "./api.js";
import { whenBack } from "./back.js";
import { get, h } from "./dom.js";
import { announce } from "./notice.js";
import { fileName, known } from "./reference.js";
import { TEXT, count, say } from "./strings.js";

const NAMED = 3, TRIES = 5;
const nameOf = (key) => fileName(known(key).path ?? `#${key}`);
const gone = new Set(); // keys of pictures of the grid that cannot be shown

/**
 * Learn why a picture did not come: it is tried again if the server was busy, else `tell` gets the reason, and whether
 * another try may help.
 */
export function watch(picture, tell) {
  picture.addEventListener("error", async () => {
    const address = picture.getAttribute("src");
    if (!address) return;
    try {
      await api.picture(address);
      if (picture.getAttribute("src") !== address) return; // it is no longer wanted
      picture.addEventListener("error", () => tell(TEXT.missing, false), { once: true });
      picture.src = address;
    } catch (failure) {
      const told = failure instanceof api.ApiError;
      tell(told ? failure.message : TEXT.missing, told && api.passing(failure), told ? failure.code : "");
    }
  }, { once: true });
}

/** Mark what holds a picture that did not come; with `key` its name and the reason stand in its place. */
export function watchIn(picture, holder, key = "", tries = TRIES) {
  const mark = (missing) => { if (holder().contains(picture)) holder().classList.toggle("missing", missing); };
  picture.addEventListener("error", () => mark(true));
  picture.addEventListener("load", () => mark(false));
  watch(picture, (reason, passes, code) => {
    if (!holder().contains(picture)) return; // another picture is shown there
    holder().title = key ? `${nameOf(key)}: ${reason}` : reason;
    const words = key ? h("span", { class: "gone" }, h("b", {}, nameOf(key)), " ", reason) : null;
    if (words) picture.after(words);
    if (passes && tries) whenBack(() => tryAgain(picture, holder, key, words, tries - 1));
    else if (key && code !== "no_picture" && get("grid").contains(picture)) tellMissing(key);
  });
}

/** Ask for a picture again: the server is back. */
function tryAgain(picture, holder, key, words, tries) {
  if (!holder().contains(picture)) return;
  words?.remove();
  holder().removeAttribute("title");
  const again = picture.cloneNode();
  picture.replaceWith(again);
  watchIn(again, holder, key, tries);
  again.src = picture.getAttribute("src");
}

/** Say above the grid which of its pictures cannot be shown, and what to do. */
function tellMissing(key) {
  gone.add(key);
  const names = [...gone].slice(0, NAMED).map(nameOf).join(", ");
  const more = gone.size > NAMED ? say(TEXT.missingMore, gone.size - NAMED) : "";
  if (get("missing").hidden) announce(`${count(TEXT.missingOf, gone.size)} ${names}. ${TEXT.missingHint}`);
  get("missing").textContent = `${count(TEXT.missingOf, gone.size)} ${names}${more}. ${TEXT.missingHint}`;
  get("missing").hidden = false;
}

/** Other pictures are shown in the grid. */
export function forgetMissing() {
  gone.clear();
  get("missing").hidden = true;
}
