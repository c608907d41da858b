// The pictures that fit the state: first page, more pages, and what to do when there are none.

import { title } from "./actions.js";
import * as api from "./api.js";
import { choose } from "./dropzone.js";
import { get, h } from "./dom.js";
import * as grid from "./grid.js";
import { icon } from "./icons.js";
import { announce, notify } from "./notice.js";
import { isText, uploaded } from "./reference.js";
import { edit } from "./searchbox.js";
import { change, clearFilters, clearSearch, filtering, filtersSet, searching, state, subscribe } from "./state.js";
import { TEXT, count, say } from "./strings.js";
import { sendAgain } from "./uploads.js";

const PAGE = 60, LATER = 200; // pictures that are asked for at first, and then at once
const MOST_DIVERSE = 1000; // the server picks no more of them
const KEPT = 12, KEPT_HITS = 200_000; // searches that Back finds as they were left, and their pictures
const AHEAD = 900, FAR = 4000; // pixels before the end at which more pictures are asked for; once one scrolls on
const PATIENCE = 150, PATIENCE_DRAWING = 2000; // milliseconds before grey boxes replace what is shown
const LATE = 4000; // milliseconds until it is said that the server takes long
const answers = new Map(); // searchKey -> {hits, more, seconds, scroll, tags}
let current = "", answer = null, asking = null, listeners = [];
let about = null; // the collection, once it has told of itself

export function setCollection(facts) {
  about = facts;
  if (answer && !answer.hits.length) showNone(state()); // which says how to fill it
  tellFacts();
}
let beginning = async () => null;
/** What is said, and offered, in place of the pictures of a collection that has none yet: will be {heading, text, ways} or null. */
export function setBeginning(way) {
  beginning = way;
}
const BEFORE_THE_FIRST = ["no_collection", "index_stale"]; // what the server says of a collection that is not ready
/** Whether no picture is shown. */
export const isEmpty = () => grid.isEmpty();
/** Be told of the answer when the pictures of a search are there. */
export const whenShown = (listener) => listeners.push(listener);

/** Ask again for what is shown: it was changed. What is in sight stays. */
export async function refresh() {
  answers.clear();
  await load(state(), { back: false, stays: true });
}

async function load(now, { back, sent = false, stays = false }) {
  const scroll = stays ? scrollY : 0;
  const key = api.searchKey(now);
  if (answer) answer.scroll = scrollY;
  asking?.abort();
  const { signal } = (asking = new AbortController());
  current = key;
  answer = answers.get(key) ?? null;
  if (!answer) {
    const focused = grid.hasFocus();
    const waiting = setTimeout(() => { hideMessage(); grid.showWaiting(); tellFacts(); }, grid.isEmpty() ? 0 : get("sketchpad").hidden && !stays ? PATIENCE : PATIENCE_DRAWING);
    const slow = setTimeout(() => { hideMessage(); grid.showWaiting(); tellFacts(TEXT.late); announce(TEXT.late); }, LATE);
    get("grid").setAttribute("aria-busy", "true");
    try {
      const first = await api.search(now, { top: pageSize(now, 0), offset: 0, signal });
      answer = { ...first, hits: [...first.hits], scroll: 0 };
      keep(key, answer);
    } catch (failure) {
      if (signal.aborted) return;
      if (!(failure instanceof api.ApiError)) throw failure;
      await recover(now, failure, sent);
      return;
    } finally {
      clearTimeout(waiting);
      clearTimeout(slow);
      if (current === key) get("grid").removeAttribute("aria-busy");
    }
    if (current !== key) return;
    display(focused, scroll);
  } else {
    keep(key, answer);
    display(grid.hasFocus(), back ? answer.scroll : 0);
  }
}

const total = () => answer.total ?? (answer.more ? -1 : answer.hits.length);

function display(focused, scroll) {
  hideMessage();
  grid.show(answer.hits, { total: total(), scroll });
  if (!answer.hits.length) showNone(state());
  if (focused) grid.focusFirst();
  tellFacts();
  get("more").hidden = !answer.more;
  watchMore();
  announce(say(TEXT.arrived, answer.hits.length));
  for (const listener of listeners) listener(answer);
}

function keep(key, found) {
  answers.delete(key);
  answers.set(key, found);
  const held = () => [...answers.values()].reduce((sum, each) => sum + each.hits.length, 0);
  while (answers.size > KEPT || (answers.size > 1 && held() > KEPT_HITS)) answers.delete(answers.keys().next().value);
}

function pageSize(now, offset) {
  const most = offset ? LATER : PAGE;
  return now.different && now.like.length ? Math.min(most, MOST_DIVERSE - offset) : most;
}

let loadingMore = false;
async function loadMore() {
  if (!answer?.more || loadingMore || state().view !== "grid") return;
  const here = answer, offset = here.hits.length, top = pageSize(state(), offset);
  if (top <= 0) {
    get("more").hidden = true;
    return;
  }
  loadingMore = true;
  get("more").classList.add("busy");
  get("more").textContent = TEXT.more;
  try {
    const page = await api.search(state(), { top, offset, signal: asking.signal });
    if (here !== answer) return;
    here.hits.push(...page.hits);
    here.more = page.more;
    if (page.total !== undefined) here.total = page.total;
    grid.append(page.hits, total());
    if (grid.isFull()) tellFull(here);
    get("more").hidden = !here.more;
    tellFacts();
    announce(say(TEXT.loadedMore, page.hits.length));
  } catch (failure) {
    if (failure.name !== "AbortError") tellMoreFailed(failure.message);
  } finally {
    loadingMore = false;
    get("more").classList.remove("busy");
    watchMore();
  }
}

function tellMoreFailed(reason) {
  get("more").classList.add("failed");
  get("more").textContent = say(TEXT.moreFailed, reason);
  announce(get("more").textContent);
}

/** No browser shows a page that is longer still. */
function tellFull(here) {
  here.more = false;
  notify(say(TEXT.longest, here.hits.length.toLocaleString()));
}

let sight = null;
/** Look again whether the end is in sight: an observer tells changes only. */
function watchMore() {
  sight?.disconnect();
  if (get("more").classList.contains("failed")) return;
  const ahead = answer?.hits.length > PAGE ? FAR : AHEAD;
  // What it tells may be of the pictures before.
  const inSight = () => !get("more").hidden && get("more").getBoundingClientRect().top < innerHeight + ahead;
  sight = new IntersectionObserver(() => { if (inSight()) loadMore(); }, { rootMargin: `${ahead}px` });
  sight.observe(get("more"));
}

/** Say what went wrong; an upload that the server forgot is sent again first, once. */
async function recover(now, failure, sent) {
  const examples = [...now.like, ...now.unlike].filter(uploaded);
  if (api.uploadGone(failure)) {
    if (!sent && (await sendAgain(examples))) return load(now, { back: false, sent: true });
    return showLost(now, examples);
  }
  const first = BEFORE_THE_FIRST.includes(failure.code) ? await beginning() : null;
  if (api.searchKey(now) !== current) return undefined;
  if (first) return showFirst(first);
  const again = [TEXT.retry, () => load(state(), { back: false })];
  // The collection has no such thing, or there is none, and the message says what would help.
  const heading = { bad_query: TEXT.none, no_collection: TEXT.collections.none }[failure.code] ?? TEXT.failed;
  return showMessage(heading, failure.message, api.passing(failure) ? [again, ...startOver(now)] : waysOut(now));
}

function showLost(now, lost) {
  const without = (list) => list.filter((key) => !lost.includes(key));
  showMessage(TEXT.lost, TEXT.lostHint, [
    [TEXT.lostDrop, () => choose()],
    [TEXT.lostLeave, () => change({ like: without(now.like), unlike: without(now.unlike) })],
  ]);
}

function showNone(now) {
  if (now.board && !searching(now)) {
    showMessage(TEXT.board.empty, TEXT.board.emptyHint, [[TEXT.board.allPictures, () => change({ ...clearSearch() })]]);
    return;
  }
  const ways = waysOut(now);
  if (!ways.length) {
    showMessage(TEXT.emptyCollection, TEXT.emptyHint, [], h("code", {}, say(TEXT.emptyCommand, about?.name || "index/default")));
    const here = answer;
    beginning().then((first) => { if (first && here === answer) showFirst(first); });
    return;
  }
  showMessage(TEXT.none, TEXT.noneHint, ways);
}

const startOver = (now) => (searching(now) || filtering(now) || now.min !== null ? [[TEXT.startOver, () => change(clearSearch())]] : []);

const texts = (now) => [...now.like, ...now.unlike].filter(isText);

/** What can be taken back of a search that leads nowhere. */
function waysOut(now) {
  const ways = [];
  if (now.min !== null) ways.push([TEXT.noneScore, () => change({ min: null })]);
  if (now.tags.length) ways.push([TEXT.noneTags, () => change({ tags: [] })]);
  if (now.rating) ways.push([TEXT.noneRating, () => change({ rating: "" })]);
  if (now.folder.length + now.name.length) ways.push([TEXT.nonePlaces, () => change({ folder: [], name: [] })]);
  if (filtersSet({ ...now, rating: "", min: null })) ways.push([TEXT.clearFilters, () => change(clearFilters())]);
  const [last] = texts(now).slice(-1);
  if (last) ways.push([TEXT.noneText, () => edit(last)]);
  return [...ways, ...startOver(now)];
}

function showFirst({ heading, text, ways }) {
  showMessage(heading, text, ways);
  get("pictures").classList.add("beginning");
}
function showMessage(heading, text, ways, extra = null) {
  grid.clear();
  get("more").hidden = true;
  get("message").replaceChildren(
    icon("image"), h("h2", {}, heading), h("p", {}, text), extra ?? "",
    h("div", { class: "ways" }, ...ways.map(([label, way], at) =>
      h("button", { type: "button", class: at ? "" : "primary", on: { click: way } }, label))));
  get("message").hidden = false;
  get("pictures").classList.add("nothing");
  announce(`${heading}. ${text}`);
  tellFacts();
}
function hideMessage() {
  get("message").hidden = true;
  get("pictures").classList.remove("nothing", "beginning");
}

/** One line above the grid: what is shown, in which order. */
function tellFacts(wait = TEXT.loading) {
  const now = state(), shown = answer?.hits.length;
  const loading = get("grid").classList.contains("waiting");
  let heading, hint = "";
  if (!searching(now)) {
    const images = filtering(now) ? answer?.total : about?.images;
    heading = now.board ? now.board : now.starred ? TEXT.board.starred : images === undefined || images === null ? TEXT.results : count(TEXT.everything, images);
    hint = about?.images === 0 ? "" : now.board || now.starred ? (images === null || images === undefined ? "" : count(TEXT.everything, images)) : matchMedia("(hover: none)").matches ? TEXT.everythingHintTouch : TEXT.everythingHint;
  } else {
    const told = now.like.length > 0 && !now.unlike.length && now.like.every(isText);
    heading = now.different && now.like.length ? TEXT.varied
      : told ? say(TEXT.forText, now.like.map(title).join(", "))
      : now.like.length + now.unlike.length > 1 ? TEXT.alikeMany
      : now.like.length + now.unlike.length ? TEXT.alike : TEXT.byTags;
    if (answer) hint = [say(TEXT.shown, shown.toLocaleString()), say(TEXT.milliseconds, Math.max(1, Math.round(answer.seconds * 1000)).toLocaleString())].join(" · ");
  }
  get("facts").textContent = heading;
  get("facts-hint").textContent = loading ? wait : hint;
}

export function start() {
  grid.start();
  get("more").addEventListener("click", () => { get("more").classList.remove("failed"); loadMore(); });
  watchMore();
  history.scrollRestoration = "manual";
  let back = false;
  addEventListener("popstate", () => { back = true; }, true);
  subscribe((now) => {
    if (api.searchKey(now) !== current) load(now, { back });
    else grid.mark(now);
    back = false;
  });
}
