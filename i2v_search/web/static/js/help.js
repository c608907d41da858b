// Keys and a few words on how it works.

import { get, h } from "./dom.js";
import { TEXT } from "./strings.js";

const dialog = get("help");

export function toggle() {
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

export function start() {
  get("how").replaceChildren(...TEXT.how.map((text) => h("li", {}, text)));
  get("key-list").replaceChildren(...TEXT.keyList.map(([keys, text]) =>
    h("div", {}, h("dt", {}, ...keys.split("  ").map((key) => (key === "or" ? " or " : h("kbd", {}, key)))), h("dd", {}, text))));
  get("help-button").addEventListener("click", toggle);
  get("help-close").addEventListener("click", toggle);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}
