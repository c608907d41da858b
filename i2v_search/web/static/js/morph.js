// The morph panel: looks for the way from A to B, and shows it as film, player and a sentence.

import * as api from "./api.js";
import { get, name } from "./dom.js";
import * as film from "./film.js";
import { announce, notify } from "./notice.js";
import * as player from "./player.js";
import { isText } from "./reference.js";
import { save } from "./saving.js";
import { change, state, subscribe } from "./state.js";
import { TEXT, count, say } from "./strings.js";
import { sendAgain } from "./uploads.js";

const WAITING = 6; // grey frames
let current = "", asking = null, answer = null, folded = false, failed = false, whenFound = () => {};

async function load(now, sent = false) {
  const focusedAt = film.focusedAt();
  asking?.abort();
  const { signal } = (asking = new AbortController());
  const key = current;
  answer = null;
  player.stop();
  failed = false;
  show(now);
  get("sentence").textContent = TEXT.finding;
  film.showWaiting(now.steps === null ? WAITING : Math.min(now.steps + 2, 12));
  enable(false);
  try {
    const found = await api.morph(now, signal);
    if (key !== current) return;
    answer = found;
    film.show(found.stops);
    player.set(found.stops);
    get("steps").value = String(Math.min(Number(get("steps").max), found.stops.length - 2));
    labelSteps(now);
    get("sentence").textContent = sentence(found);
    announce(sentence(found));
    enable(true);
    if (focusedAt >= 0) film.focusOn(focusedAt);
    whenFound();
  } catch (failure) {
    if (signal.aborted || key !== current) return;
    if (!(failure instanceof api.ApiError)) throw failure;
    if (api.uploadGone(failure)) {
      if (!sent && (await sendAgain([now.a, now.b, ...now.via]))) return load(now, true);
      fail(TEXT.lost, TEXT.lostHint, { again: true, fewer: false });
    } else fail(TEXT.morphFailed, failure.message, { again: api.passing(failure), fewer: failure.code === "no_morph" && now.a !== now.b });
  }
}

function fail(title, text, { again, fewer }) {
  failed = true;
  show(state());
  film.clear();
  get("sentence").textContent = "";
  get("morph-failure-title").textContent = title;
  get("morph-failure-text").textContent = text;
  get("again").hidden = !again;
  get("fewer").hidden = !fewer || state().steps === null;
  get("other-a").hidden = !isText(state().a);
  get("no-via").hidden = !state().via.length;
  announce(`${title}. ${text}`);
}

function enable(on) {
  for (const format of ["png", "gif"]) get(format).disabled = !on;
}

/** How gradual the morph is, in words. */
function sentence({ quality, stops, gaps }) {
  const texts = TEXT.quality, parts = [count(texts.between, stops.length - 2)];
  if (stops.length > 2) {
    const { regret } = quality, above = Math.round((regret - 1) * 100);
    const judged = regret === null ? "." : above < 1 ? texts.best : say(texts.regret, above);
    parts.push(say(texts.hops, film.degrees(quality.mean_hop), film.degrees(quality.largest_hop)) + judged);
    parts.push(quality.monotonicity >= 0.999 ? texts.steady : say(texts.turns, Math.round(quality.monotonicity * 100)));
    if (quality.near_duplicates) parts.push(count(texts.repeats, quality.near_duplicates));
  }
  if (gaps) parts.push(count(texts.gaps, gaps));
  return parts.join(" ");
}

function labelSteps(now) {
  const number = now.steps ?? (answer ? answer.stops.length - 2 : "");
  const text = now.steps === null ? [TEXT.autoSteps, number].filter((part) => part !== "").join(" ") : String(number);
  get("steps-value").textContent = text;
  get("steps").setAttribute("aria-valuetext", text);
  get("steps-auto").hidden = now.steps === null;
}

async function download(format, label) {
  const leave = notify(say(TEXT.preparing, label), "info", 0);
  get(format).disabled = true;
  try {
    const address = URL.createObjectURL(await api.morphPicture(state(), format));
    save(address, `morph.${format}`);
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    notify(say(TEXT.saved, label));
  } catch (failure) {
    notify(failure.message, "error");
  } finally {
    leave();
    get(format).disabled = false;
  }
}

function show(now) {
  const whole = Boolean(now.a && now.b);
  const open = whole && !folded;
  get("dock").classList.toggle("open", open);
  get("dock").classList.toggle("whole", whole);
  for (const part of document.querySelectorAll(".morph-part")) part.hidden = !open;
  get("film-box").hidden = !open || failed;
  get("morph-failure").hidden = !open || !failed;
  get("fold").hidden = !whole;
  get("fold").classList.toggle("folded", folded);
  get("fold").setAttribute("aria-expanded", String(open));
  name(get("fold"), folded ? TEXT.unfold : TEXT.fold);
  get("out-note").hidden = !open || !now.out.length;
  get("out-text").textContent = count(TEXT.excluded, now.out.length);
  if (!folded) labelSteps(now);
}

const toggleFold = () => { folded = !folded; show(state()); };
export const play = () => { if (answer && !folded) player.toggle(); };
/** Keys of the pictures on the way, for the map. */
export const way = () => (answer ? answer.stops.map((stop) => stop.key) : []);

export function start(found) {
  whenFound = found;
  film.start((at) => player.goTo(at));
  player.start((at) => { film.point(at); film.reveal(at); });
  get("steps").addEventListener("input", () => { get("steps-value").textContent = get("steps").value; });
  get("steps").addEventListener("change", () => change({ steps: Number(get("steps").value) }, { replace: true }));
  get("steps-auto").addEventListener("click", () => { change({ steps: null }, { replace: true }); get("steps").focus(); });
  get("swap").addEventListener("click", () => change({ a: state().b, b: state().a, via: state().via.toReversed() }));
  get("bring-back").addEventListener("click", () => { change({ out: [] }); get("steps").focus(); });
  get("fewer").addEventListener("click", () => change({ steps: null }));
  for (const slot of ["a", "b"]) {
    get(`other-${slot}`).addEventListener("click", () => { change({ [slot]: "", via: [], out: [] }); get(`slot-${slot}`).querySelector("button").focus(); });
  }
  get("no-via").addEventListener("click", () => change({ via: [] }));
  get("again").addEventListener("click", () => load(state()));
  get("png").addEventListener("click", () => download("png", TEXT.png));
  get("gif").addEventListener("click", () => download("gif", TEXT.gif));
  get("end").addEventListener("click", () => { change({ a: "", b: "", via: [], out: [] }); get("search").focus(); });
  get("fold").addEventListener("click", toggleFold);
  subscribe((now, before) => {
    if (now.a !== before.a || now.b !== before.b) folded = false;
    show(now);
    const key = api.morphKey(now);
    if (key === current) return;
    current = key;
    if (key) load(now);
    else {
      asking?.abort();
      answer = null;
      player.stop();
      film.clear();
      whenFound();
    }
  });
}
