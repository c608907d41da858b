// Saying that a picture is not a copy of those that it is grouped with: in the view of copies, and on tiles of the grid
// that stand for several.

import * as api from "./api.js";
import { title } from "./actions.js";
import { tried } from "./boardlist.js";
import { h, name } from "./dom.js";
import * as grid from "./grid.js";
import { icon } from "./icons.js";
import { notify } from "./notice.js";
import { refresh } from "./results.js";
import { change } from "./state.js";
import { TEXT, say } from "./strings.js";

const texts = TEXT.copyView;

/** Keep a picture apart from the pictures of a group that are not the same file; `changed` is called whenever that is. */
export const keepApart = (key, members, changed) => tried(async () => {
  const own = members.find((member) => member.key === key);
  const others = members.filter(({ version }) => version !== own.version);
  if (!others.length) return notify(texts.sameFile, "error");
  const set = async (apart) => {
    for (const other of others) await api.notCopies(key, other.key, apart);
    await changed();
  };
  await set(true);
  return notify(say(texts.isApart, title(key)), "info", 12, [TEXT.board.undo, () => tried(() => set(false))]);
});

/** The group of a picture of the grid. */
const groupOf = async (key) => (await api.copies({ of: key, top: 1 })).groups.find(({ members }) => members.some((member) => member.key === key));

/** Not a press of the picture below. */
const pressed = (way) => (event) => {
  event.stopPropagation();
  way();
};

/** Tools of a tile that stands for several pictures. */
function dress(item, key) {
  item.querySelector(".copy-tools")?.remove();
  if (!item.classList.contains("with-copies")) return;
  const tool = (sign, text, way) => name(h("button", { type: "button", class: "tool", tabindex: "-1", on: { click: pressed(way) } }, icon(sign)), text);
  item.append(h("span", { class: "tools copy-tools" },
    tool("copy", texts.showGroup, () => change({ view: "copies", group: key })),
    tool("without", texts.notCopy, () => tried(async () => {
      const group = await groupOf(key);
      if (group) await keepApart(key, group.members, refresh);
    }))));
}

export const start = () => grid.whenDrawn(dress);
