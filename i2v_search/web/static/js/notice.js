// Short messages: shown for a while, and read out.

import { get, h } from "./dom.js";
import { icon } from "./icons.js";
import { TEXT } from "./strings.js";

const SECONDS = { info: 4, error: 12 };

/** Read something out without showing it. */
export function announce(text) {
  get("said").textContent = text;
}

/** Show a message; an error stays longer. `way` is what can be done about it: a label, and a function. Returns how to
 *  take it away. */
export function notify(text, kind = "info", seconds = SECONDS[kind], way = null) {
  const close = h("button", { type: "button", class: "plain round", "aria-label": TEXT.close }, icon("close"));
  const notice = h("div", { class: `notice ${kind}` }, h("p", {}, text), way && h("button", { type: "button", class: "link way", on: { click: () => { leave(); way[1](); } } }, way[0]), close);
  const leave = () => {
    notice.remove();
    if (!get("notices").children.length && get("notices").matches(":popover-open")) get("notices").hidePopover();
  };
  close.addEventListener("click", leave);
  for (const same of get("notices").children) if (same.firstChild.textContent === text) same.remove();
  const shelf = get("notices");
  shelf.append(notice);
  announce(text);
  if (shelf.matches(":popover-open")) shelf.hidePopover();
  shelf.showPopover(); // above an open dialog, too
  if (seconds) setTimeout(leave, seconds * 1000);
  return leave;
}
