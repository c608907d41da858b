// The search for copies, which runs on the server: begun, followed and stopped here, and never by itself.

import * as api from "./api.js";
import { tried } from "./boardlist.js";
import { get } from "./dom.js";
import { launched } from "./launch.js";
import { announce } from "./notice.js";
import { TEXT, say } from "./strings.js";

const OFTEN = 500; // milliseconds between questions
const texts = TEXT.copyView;
let now = { status: "idle" }, timer = 0, ended = () => {};

const isRunning = () => now.status === "running";

function draw() {
  const { status, done, total } = now, running = status === "running";
  get("copy-search").hidden = !["running", "stopped", "failed"].includes(status);
  get("copy-search-text").textContent = running
    ? total ? say(texts.comparing, done.toLocaleString(), total.toLocaleString()) : texts.beginning
    : texts[status] ?? "";
  const bar = get("copy-search-bar");
  bar.hidden = get("copy-search-stop").hidden = !running;
  get("copy-search-stop").disabled = !launched();
  if (total) bar.value = done / total;
  else bar.removeAttribute("value");
  get("copies-look").hidden = running || !launched();
}

function take(state) {
  const before = now.status;
  now = state;
  draw();
  clearTimeout(timer);
  if (isRunning()) timer = setTimeout(follow, OFTEN);
  if (before === "running" && !isRunning()) {
    announce(texts[now.status] ?? texts.done);
    ended();
  }
}

/** Ask how the search is. */
export const follow = () => tried(async () => take(await api.copySearch()));
export const begin = () => tried(async () => take(await api.searchCopies()));

/** `whenEnded` is called when a search has come to its end. */
export function start(whenEnded) {
  ended = whenEnded;
  get("copies-look").addEventListener("click", begin);
  get("copy-search-stop").addEventListener("click", () => tried(async () => take(await api.stopCopySearch())));
}
