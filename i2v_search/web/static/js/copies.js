// The view of copies: groups of pictures that are the same one, looked at one group after another, from the group whose
// copies take most room on. The server gives pages of groups; the address names the group by its best picture.

import * as api from "./api.js";
import { title } from "./actions.js";
import { tried } from "./boardlist.js";
import { forgetShown } from "./building.js";
import { keepApart } from "./copyapart.js";
import { card } from "./copycards.js";
import * as pair from "./copypair.js";
import * as search from "./copysearch.js";
import * as trash from "./copytrash.js";
import { get, h, name } from "./dom.js";
import { launched } from "./launch.js";
import { announce } from "./notice.js";
import { remember, thumbnail } from "./reference.js";
import * as results from "./results.js";
import { change, state, subscribe } from "./state.js";
import { TEXT, count, say } from "./strings.js";

const PAGE = 60; // groups that are asked for at once
const texts = TEXT.copyView, MODES = ["side", "flicker", "difference"];
let page = null, at = 0, asked = 0; // the groups that are known, which of them is shown, and how often was asked
let marked = new Set(), kept = "", other = "", mode = "side";

const here = () => state().view === "copies";
const members = () => page?.groups[at]?.members ?? [];
const bestOf = (group) => group.members[0].key;
const place = () => page.offset + at;

/** Ask for a page of groups: that of a picture's group, or the one from `offset` on; then show a group of it. */
const load = (where, wanted = 0) => tried(async () => {
  const turn = asked += 1;
  let found;
  try {
    found = await api.copies({ top: PAGE, ...where });
  } catch (failure) {
    if (failure.status !== 404 || where.of === undefined) throw failure;
    found = await api.copies({ top: PAGE }); // a picture that is gone
  }
  if (turn !== asked) return undefined;
  if (!found.groups.length && found.offset) return load({ offset: Math.max(0, found.offset - PAGE) }, PAGE - 1);
  page = found;
  for (const group of page.groups) for (const { key, ...facts } of group.members) remember(key, facts);
  const named = page.groups.findIndex((group) => group.members.some(({ key }) => key === where.of));
  drawFacts();
  drawGroups();
  select(named >= 0 ? named : wanted);
  return undefined;
});
/** Ask again for what is shown, after a change: the same group, or the one in its place. */
const reload = () => load({ offset: page?.offset ?? 0 }, at);

/** Show a group of the page. */
function select(wanted) {
  at = Math.max(0, Math.min(wanted, page.groups.length - 1));
  [marked, kept] = [new Set(), ""];
  other = members()[1]?.key ?? "";
  const focused = get("copy-cards").contains(document.activeElement), listed = get("copy-groups").contains(document.activeElement);
  drawCards();
  for (const [n, item] of [...get("copy-groups").children].entries()) {
    const button = item.firstElementChild;
    button.tabIndex = n === at ? 0 : -1;
    if (n === at) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    if (n === at && here()) item.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (n === at && listed) button.focus({ preventScroll: true });
  }
  if (focused) get("copy-cards").querySelector(".copy-keep")?.focus({ preventScroll: true });
  if (!members().length || !here()) return;
  change({ group: bestOf(page.groups[at]) }, { replace: true });
  announce(`${get("copies-at").textContent}: ${count(TEXT.everything, members().length)}`);
}

/** So many groups on, over the ends of the page too. */
function step(by) {
  if (!page?.total) return;
  const to = place() + by;
  if (to < 0 || to >= page.total) announce(to < 0 ? texts.first : texts.lastGroup);
  else if (page.groups[at + by]) select(at + by);
  else load({ offset: by > 0 ? page.offset + PAGE : Math.max(0, page.offset - PAGE) }, by > 0 ? 0 : PAGE - 1);
}

function drawFacts() {
  const { total, copies, bytes, looked } = page, none = !total;
  get("copies-facts").textContent = none ? (looked ? texts.none : texts.unknown) : count(texts.groups, total);
  get("copies-hint").textContent = none ? (looked ? texts.noneHint : launched() ? texts.unknownHint : texts.unknownHintCommand)
    : [count(texts.copies, copies, trash.amount(bytes)), looked ? say(texts.looked, new Date(looked).toLocaleDateString(undefined, { dateStyle: "medium" })) : texts.onlyEqual].join(" · ");
  get("copies-look-text").textContent = looked ? texts.lookAgain : texts.look;
  get("copies-look").classList.toggle("primary", !looked);
  get("copies-found").hidden = none;
}

function drawGroups() {
  get("copy-groups").replaceChildren(...page.groups.map((group, n) => {
    const best = group.members[0];
    const button = h("button", { type: "button", class: "plain", tabindex: "-1", on: { click: () => select(n) } },
      h("img", { src: thumbnail(best.key, 72), alt: "", loading: "lazy", draggable: "false" }), h("span", { class: "count" }, group.members.length.toLocaleString()));
    return h("li", {}, name(button, say(texts.groupOf, title(best.key), group.members.length)));
  }));
  get("copies-earlier").disabled = !page.offset;
  get("copies-later").disabled = page.offset + page.groups.length >= page.total;
  for (const button of ["copies-earlier", "copies-later"]) get(button).hidden = page.total <= PAGE;
}

function drawCards() {
  const all = members();
  get("copies-at").textContent = all.length ? say(texts.at, (place() + 1).toLocaleString(), page.total.toLocaleString()) : "";
  get("copies-previous").disabled = place() <= 0;
  get("copies-next").disabled = place() >= page.total - 1;
  get("copy-cards").replaceChildren(...all.map((member, n) => card(member, all, n, { keep, mark, apart, choose, show })));
  drawMarks();
}

/** Show what is kept, what is to go and what is compared. */
function drawMarks() {
  for (const item of get("copy-cards").children) {
    const { key } = item.dataset;
    item.classList.toggle("stays", key === kept);
    item.classList.toggle("goes", marked.has(key));
    item.classList.toggle("compared", mode !== "side" && (key === other || key === first()));
    item.querySelector(".copy-keep").setAttribute("aria-pressed", String(key === kept));
    item.querySelector(".copy-mark").checked = marked.has(key);
  }
  const going = members().filter(({ key }) => marked.has(key)), ready = page.trash === "ready" && launched();
  get("copies-marked").textContent = going.length ? count(texts.marked, going.length, trash.amount(going.reduce((sum, { bytes }) => sum + bytes, 0))) : ready ? texts.markedNone : "";
  get("copies-trash").disabled = !ready || !going.length;
  get("copies-trash-hint").textContent = page.trash === "missing" ? texts.trashMissing : ready ? "" : texts.trashOff;
  for (const each of MODES) get(`copies-${each}`).setAttribute("aria-pressed", String(each === mode));
  if (other) pair.show(mode, first(), other);
}
/** The picture that the other one is compared with: the one that is kept, else the best. */
const first = () => (kept && kept !== other ? kept : members().find(({ key }) => key !== other)?.key);

function keep(key) {
  kept = kept === key ? "" : key;
  marked = new Set(kept ? members().filter((member) => member.key !== kept && member.removable).map((member) => member.key) : []);
  if (other === kept) other = members().find((member) => member.key !== kept)?.key ?? "";
  drawMarks();
  announce(get("copies-marked").textContent);
}
function mark(key, on) {
  if (on) marked.add(key);
  else marked.delete(key);
  if (on && kept === key) kept = "";
  drawMarks();
}
function choose(key) {
  if (key !== first()) other = key;
  if (mode === "side") setMode("flicker");
  else drawMarks();
}
const show = (key) => change({ image: key });
const apart = (key) => keepApart(key, members(), changed);
const move = () => {
  const going = members().filter(({ key }) => marked.has(key));
  if (going.length && !get("copies-trash").disabled) trash.trash(going, going.length === members().length);
};
function setMode(wanted) {
  mode = mode === wanted ? "side" : wanted;
  drawMarks();
}

/** What a key does here, or undefined. */
export function keyed(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, focused = document.activeElement?.closest("#copy-cards [data-key]")?.dataset.key;
  if (event.target.matches("input[type=range]") && key.startsWith("Arrow")) return undefined;
  const nth = /^[1-9]$/.test(key) && members()[Number(key) - 1];
  if (nth) return () => keep(nth.key);
  return {
    ArrowRight: () => step(1), ArrowLeft: () => step(-1), f: () => setMode("flicker"), d: () => setMode("difference"), Delete: move,
    ...(focused ? { n: () => apart(focused) } : {}),
    ...(mode === "flicker" && event.key === " " && !event.target.matches("button, input") ? { " ": pair.swapOnce } : {}),
  }[key];
}
/** Ctrl Z: bring back what went to the trash last. */
export const undo = () => trash.undo();

async function changed() {
  forgetShown();
  await Promise.all([here() ? reload() : undefined, results.refresh()]);
}

/** Open this view, or leave it. */
export const toggle = () => change({ view: here() ? "grid" : "copies" });

export function start() {
  search.start(() => {
    if (here()) load({ offset: 0 });
    results.refresh();
  });
  trash.start(changed);
  pair.start();
  get("copies-button").addEventListener("click", toggle);
  get("copies-previous").addEventListener("click", () => step(-1));
  get("copies-next").addEventListener("click", () => step(1));
  get("copies-earlier").addEventListener("click", () => load({ offset: Math.max(0, page.offset - PAGE) }));
  get("copies-later").addEventListener("click", () => load({ offset: page.offset + PAGE }));
  get("copies-trash").addEventListener("click", move);
  for (const each of MODES) get(`copies-${each}`).addEventListener("click", () => { mode = each; drawMarks(); });
  subscribe((now, before) => {
    get("copies-view").hidden = !here();
    if (!here()) {
      if (page) pair.show("side", "", "");
      return;
    }
    if (before.view !== "copies") {
      search.follow();
      load(now.group ? { of: now.group } : { offset: 0 });
    } else if (now.group !== before.group && now.group && bestOf(page?.groups[at] ?? { members: [{}] }) !== now.group) {
      load({ of: now.group });
    }
  });
}
