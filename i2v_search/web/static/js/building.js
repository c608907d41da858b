// Builds: what the band above the pictures says of the one that runs, and what stands in place of pictures until there are some.

import * as api from "./api.js";
import { get, h } from "./dom.js";
import * as folderchoice from "./folderchoice.js";
import { launched } from "./launch.js";
import { announce, notify } from "./notice.js";
import * as results from "./results.js";
import { TEXT, count, say } from "./strings.js";

const OFTEN = 700, SELDOM = 5000; // milliseconds between questions, while a build runs and else
const SOON = 2000; // milliseconds in which a server has opened what the command has changed
const band = get("building");
let now = null, asked = 0, shown = 0, dismissed = 0, stopping = 0, folder = "", timer = 0, changed = () => {};

const button = (text, way, kind = "") => h("button", { type: "button", class: kind, on: { click: way } }, text);
const amount = (number) => number.toLocaleString();

/** Ask how the build is, now and again. */
async function follow() {
  clearTimeout(timer);
  timer = 0;
  asked = performance.now();
  let wait = SELDOM;
  try {
    take(await api.building());
    if (now.status === "building") wait = OFTEN;
  } catch { /* the results say what is wrong; a server may come back */ }
  if (wait === OFTEN || now?.watch === "on" || now?.watch === "away") timer = setTimeout(follow, document.hidden ? SELDOM : wait);
}

function take(state) {
  const before = now;
  now = state;
  shown = Math.min(shown, now.images);
  if (before?.collection && before.served !== now.served) return location.assign("./"); // nothing shown is of this one
  draw();
  if (!before) return undefined;
  const first = !before.images && now.images, ended = before.status === "building" && now.status !== "building";
  if (before.collection !== now.collection || first || ended) changed();
  if (first) refresh();
  else if (results.isEmpty() && (before.status !== now.status || before.images !== now.images)) results.refresh();
  if (ended) announce(heading());
  return undefined;
}

/** Show the pictures that came. */
function refresh() {
  shown = now.images;
  results.refresh();
  changed();
  draw();
}

async function order(ask) {
  try {
    take(await ask());
    follow();
  } catch (failure) {
    if (!(failure instanceof api.ApiError)) throw failure;
    notify(failure.message, "error");
  }
}
/** Pictures went, or came back, as is shown already. */
export const forgetShown = () => { shown = 0; };
/** Choose a folder and put its pictures in; `fresh` into a new collection. */
export const addFolder = (fresh = false) =>
  folderchoice.choose((key) => {
    folder = key;
    order(() => api.build(key, { fresh }));
  }, fresh ? TEXT.build.choose : TEXT.build.add);
/** How the build is, as far as is known. */
export const state = () => now;
/** Keep the collection up to date with its folders, or no more. */
export async function setWatch(on) {
  take(await api.watch(on));
  follow();
}
/** Look for what has changed in the folders that are in. */
export const update = () => order(() => api.build(""));
function stop() {
  stopping = now.number;
  order(api.stopBuild);
}
const again = () => order(() => api.build(folder, { fresh: !now.collection }));

/** Pictures that came since those that are shown. */
const fresh = () => (shown ? now.images - shown : 0);
/** Whether there is a build to tell of; else the command may have put pictures in. */
const isTold = () => now.status !== "idle" && now.number !== dismissed;

function heading() {
  const told = TEXT.build;
  if (!isTold()) return count(told.added, fresh());
  if (now.status === "building") return now.total === null ? told.looking : say(told.reading, amount(now.done), amount(now.total));
  if (now.status === "stopped") return count(told.stopped, now.images);
  if (now.status === "failed") return told.problems[now.problem][0];
  const came = [now.added && count(told.added, now.added), now.removed && count(told.removed, now.removed)].filter(Boolean);
  return came.length ? came.join(", ") : told.unchanged;
}

function hint() {
  const told = TEXT.build;
  if (!isTold()) return "";
  if (now.status === "failed") return told.problems[now.problem][1];
  if (now.status !== "building") return "";
  if (now.number === stopping) return told.stopping;
  const minutes = now.seconds_left === null ? null : now.seconds_left / 60;
  return [
    now.rate && say(told.rate, now.rate < 10 ? now.rate.toFixed(1) : amount(Math.round(now.rate))),
    minutes !== null && (minutes < 1.5 ? say(told.secondsLeft, Math.ceil(minutes * 60)) : say(told.minutesLeft, Math.round(minutes))),
    !now.rate && (told.stages[now.stage] ?? ""),
  ].filter(Boolean).join(" · ");
}

function ways() {
  const told = TEXT.build, acts = launched();
  const close = button(TEXT.close, () => {
    if (isTold()) dismissed = now.number;
    else shown = now.images;
    draw();
  });
  const come = fresh() ? [button(count(told.showNew, fresh()), refresh, "primary")] : [];
  if (!isTold()) return [...come, close];
  if (now.status === "building") return [...come, ...(acts && now.number !== stopping ? [button(told.stop, stop)] : [])];
  if (now.status === "stopped") return [...(acts ? [button(told.goOn, again, "primary")] : []), ...come, close];
  if (now.status === "failed" && acts) {
    const other = now.problem === "no_pictures" || now.problem === "no_access";
    return [other ? button(told.other, () => addFolder(!now.collection), "primary") : button(TEXT.retry, again, "primary"), close];
  }
  return [...come, close];
}

function draw() {
  const quiet = now.reason !== "person" && (now.status === "building" || (now.status === "done" && !now.added && !now.removed));
  band.hidden = isTold() ? quiet : !fresh();
  if (band.hidden) return;
  band.dataset.status = isTold() ? now.status : "done";
  get("building-heading").textContent = heading();
  get("building-hint").textContent = hint();
  const bar = get("building-bar");
  bar.hidden = now.status !== "building";
  if (now.total) bar.value = now.done / now.total;
  else bar.removeAttribute("value");
  get("building-unread").hidden = !now.unread || !isTold();
  get("building-unread-count").textContent = count(TEXT.build.unread, now.unread);
  const named = now.named.map(({ path, reason }) => h("li", {}, h("bdi", {}, path), h("span", {}, reason)));
  if (now.unread > now.named.length) named.push(h("li", {}, now.named.length ? say(TEXT.missingMore, amount(now.unread - now.named.length)) : TEXT.build.namedLater));
  const words = (elements) => elements.map((each) => each.textContent).join("\n");
  if (words([...get("building-named").children]) !== words(named)) get("building-named").replaceChildren(...named);
  const wanted = ways(), there = [...get("building-ways").children];
  if (words(wanted) !== words(there)) { // what has the focus, or is read just now, stays
    const focused = there.findIndex((each) => each === document.activeElement);
    get("building-ways").replaceChildren(...wanted);
    if (focused >= 0) (wanted[Math.min(focused, wanted.length - 1)] ?? get("building-heading")).focus();
  }
}

/** What stands in place of the pictures while there are none. */
async function beginning() {
  const told = TEXT.build;
  if (!now) await follow();
  if (!now) return null;
  if (now.status === "building") return { heading: told.soon, text: told.soonHint, ways: [] };
  if (!launched()) return null;
  return { heading: told.welcome, text: told.welcomeHint, ways: [[told.choose, () => addFolder(!now.collection)]] };
}

/** Begin; `whenChanged` is called when the collection is another than before. */
export function start(whenChanged) {
  changed = whenChanged;
  folderchoice.start();
  results.setBeginning(beginning);
  results.whenShown(async (answer) => {
    // Not before the pictures are there. Another page, or the command, may have begun a build, or ended one.
    if (now?.status !== "building" && performance.now() - asked > OFTEN) {
      const first = !now;
      await follow();
      if (!first && !timer) timer = setTimeout(follow, SOON);
    }
    if (answer.hits.length && now && !shown) shown = now.images;
  });
  addEventListener("visibilitychange", () => { if (!document.hidden) follow(); });
}
