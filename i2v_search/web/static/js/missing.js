// Pictures that cannot be shown, since their files are gone or damaged: said on each of them, and above the grid.

import * as api from "./api.js";
import { get, h } from "./dom.js";
import { announce } from "./notice.js";
import { fileName, known } from "./reference.js";
import { TEXT, count, say } from "./strings.js";

const NAMED = 3;
const nameOf = (key) => fileName(known(key).path ?? `#${key}`);

/** Learn why a picture did not come: it is tried again if the server was busy, else `tell` gets the reason. */
export function watch(picture, tell) {
  picture.addEventListener("error", async () => {
    try {
      await api.picture(picture.getAttribute("src"));
      picture.addEventListener("error", () => tell(TEXT.missing), { once: true });
      picture.src = picture.getAttribute("src");
    } catch (failure) {
      tell(failure instanceof api.ApiError ? failure.message : TEXT.missing);
    }
  }, { once: true });
}

/** Mark what holds a picture that did not come; with `key` its name and the reason stand in its place. */
export function watchIn(picture, holder, key = "") {
  picture.addEventListener("error", () => holder().classList.add("missing"));
  picture.addEventListener("load", () => holder().classList.remove("missing"));
  watch(picture, (reason) => {
    holder().title = key ? `${nameOf(key)}: ${reason}` : reason;
    if (!key) return;
    picture.after(h("span", { class: "gone" }, h("b", {}, nameOf(key)), " ", reason));
    tellMissing();
  });
}

/** Say above the grid which of its pictures cannot be shown, and what to do. */
export function tellMissing() {
  const items = [...get("grid").querySelectorAll(".tile.missing:has(.gone)")];
  const names = items.slice(0, NAMED).map((item) => nameOf(item.dataset.key)).join(", ");
  const more = items.length > NAMED ? say(TEXT.missingMore, items.length - NAMED) : "";
  const text = items.length ? `${count(TEXT.missingOf, items.length)} ${names}${more}. ${TEXT.missingHint}` : "";
  if (text && !get("missing").textContent) announce(text);
  get("missing").textContent = text;
  get("missing").hidden = !text;
}
