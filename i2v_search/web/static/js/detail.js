// One picture large, with its tags, path, size and what is similar.

import * as api from "./api.js";
import { act, title } from "./actions.js";
import { get, h, name } from "./dom.js";
import * as compare from "./compare.js";
import * as eyedropper from "./eyedropper.js";
import * as fileinfo from "./fileinfo.js";
import * as frames from "./frames.js";
import { crisp, cutMark, cutWords } from "./glimpse.js";
import * as grid from "./grid.js";
import { icon } from "./icons.js";
import { watch, watchIn } from "./missing.js";
import { announce, notify } from "./notice.js";
import * as palette from "./palette.js";
import * as part from "./part.js";
import * as practice from "./practice.js";
import { fileName, known, large, remember, thumbnail, uploaded } from "./reference.js";
import * as stage from "./stage.js";
import { address, change, changed, closeImage, closeImageThen, state, subscribe } from "./state.js";
import { TEXT, say } from "./strings.js";
import { writeTag } from "./tagquery.js";
import { pathOf } from "./takeone.js";

const dialog = get("detail");
const LIKELY = 0.25, FIRST = 30; // probability and number of the tags shown at first
const SIMILAR = 8, CATEGORIES = ["rating", "copyright", "character", "general"];
let asking = null, opener = "";

async function show(key) {
  asking?.abort();
  const { signal } = (asking = new AbortController());
  const place = grid.keys().indexOf(key), around = grid.keys();
  if (!dialog.open) {
    opener = document.activeElement?.closest("[data-key]")?.dataset.key ?? "";
    dialog.showModal();
  }
  get("previous").disabled = place <= 0;
  get("next").disabled = place < 0 || place + 1 >= around.length;
  get("detail-via").hidden = !(state().a && state().b) || [state().a, state().b].includes(key);
  for (const each of [frames, fileinfo]) each.clear();
  showPicture(key);
  palette.show(key);
  part.show(key);
  get("detail-tags").replaceChildren();
  get("similar").replaceChildren(...Array.from({ length: SIMILAR }, () => h("li", { class: "waiting" })));
  describe(key, known(key));
  if (!uploaded(key)) {
    try {
      const facts = await api.image(key, signal);
      if (state().image !== key) return;
      remember(key, facts);
      stage.describe(key, facts);
      learnDetails(key, facts, signal);
      describe(key, facts);
    } catch (failure) {
      if (failure.name === "AbortError") return;
      get("similar").replaceChildren();
      get("detail-name").textContent = failure.status === 404 ? say(TEXT.errors.idGone, key) : failure.message;
      return;
    }
  }
  try {
    showSimilar((await api.alike(key, SIMILAR, signal)).hits);
  } catch (failure) {
    if (failure.name !== "AbortError") showSimilar([], failure.message);
  }
}

/** What the file says comes when it can be read; nothing waits for it. */
async function learnDetails(key, facts, signal) {
  const details = await api.details(key, signal).catch(() => null);
  if (state().image !== key || signal.aborted) return;
  fileinfo.show(facts, details);
  if (!details) return;
  frames.describe(key, details);
  describe(key, facts);
}

function showPicture(key) {
  const { width, height } = known(key);
  const picture = h("img", { id: "large", alt: title(key) });
  get("large").replaceWith(picture);
  get("part-sheet").hidden = true;
  stage.show(width, height);
  get("detail-stage").classList.remove("missing");
  get("large-missing").hidden = true;
  const showSmall = () => { // which may have been made before, or of a kind that no browser shows
    picture.addEventListener("error", () => get("detail-stage").classList.add("missing"), { once: true });
    picture.src = thumbnail(key, 640);
  };
  if (uploaded(key)) picture.addEventListener("error", showSmall, { once: true });
  else watch(picture, (reason) => {
    showSmall();
    get("large-missing").textContent = `${reason}. ${TEXT.missingHint}`;
    get("large-missing").hidden = false;
  });
  picture.addEventListener("load", () => {
    get("part-sheet").hidden = false;
    const facts = known(key);
    stage.glass.size(facts.width || picture.naturalWidth, facts.height || picture.naturalHeight, false);
    practice.draw();
  });
  picture.src = large(key);
}

function describe(key, facts) {
  const path = facts.path ?? "";
  get("detail-name").textContent = title(key);
  get("detail-path").textContent = path;
  get("copy").hidden = !path || uploaded(key);
  const size = [];
  if (uploaded(key)) size.push(TEXT.yourImage);
  if (facts.width) size.push(say(TEXT.size, facts.width.toLocaleString(), facts.height.toLocaleString()));
  if (facts.bytes) size.push(facts.bytes < 1e6 ? say(TEXT.bytes, Math.ceil(facts.bytes / 1000)) : say(TEXT.megabytes, (facts.bytes / 1e6).toFixed(1)));
  get("detail-size").textContent = size.join(" · ");
  get("large").alt = title(key);
  if (facts.tags) showTags(facts.tags, Math.min(FIRST, facts.tags.filter((tag) => tag.probability >= LIKELY).length));
}

function showTags(tags, most) {
  const sorted = [...tags].sort((one, two) => two.probability - one.probability).slice(0, most);
  const groups = CATEGORIES.map((category) => [category, sorted.filter((tag) => tag.category === category)]);
  const parts = groups.filter(([, each]) => each.length).map(([category, each]) =>
    h("section", {}, h("h3", {}, TEXT.categories[category]), h("ul", { class: "bars" }, ...each.map(bar))));
  if (!sorted.length) parts.push(h("p", { class: "quiet" }, TEXT.noTags));
  if (tags.length > most) {
    const all = h("button", { type: "button", class: "plain all" }, say(TEXT.allTags, tags.length));
    all.addEventListener("click", () => { showTags(tags, Infinity); get("detail-tags").querySelector("a")?.focus(); });
    parts.push(all);
  }
  get("detail-tags").replaceChildren(...parts);
}

function bar(tag) {
  const percent = tag.probability === 1 ? 100 : Math.min(99, Math.round(tag.probability * 100));
  const fill = h("span", { class: "fill", "aria-hidden": "true" });
  fill.style.width = `${percent}%`;
  const text = [h("span", { class: "word" }, tag.name), h("bdi", { class: "origin", title: fileinfo.originOf(tag.name) || null }, fileName(fileinfo.originOf(tag.name)) || (tag.probability === 1 ? TEXT.given : "")), h("span", { class: "part" }, say(TEXT.percent, percent)), fill];
  if (tag.category === "rating") return h("li", {}, h("span", { class: "bar" }, ...text));
  const link = h("a", { class: "bar", href: address(changed({ tags: [writeTag(tag.name)], like: [], unlike: [], image: "", view: "grid" })) }, ...text);
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    change({ tags: [writeTag(tag.name)], like: [], unlike: [], image: "", view: "grid" });
  });
  return h("li", {}, link);
}

function showSimilar(hits, none = TEXT.notSimilar) {
  get("similar-none").hidden = hits.length > 0;
  get("similar-none").textContent = none;
  get("similar").replaceChildren(...hits.map((hit) => {
    const picture = crisp(h("img", { src: thumbnail(hit.key, 110), alt: [title(hit.key), cutWords(hit.key)].filter(Boolean).join(", ") }));
    const link = h("a", { href: address(changed({ image: hit.key })), "data-key": hit.key }, picture, cutMark(hit.key));
    watchIn(picture, () => link);
    link.title = say(TEXT.score, hit.score.toFixed(2));
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      change({ image: hit.key }, { replace: true });
      get("detail-name").focus();
    });
    const beside = name(h("button", { type: "button", class: "tool", "data-compare": hit.key, on: { click: () => compare.compareWith(hit.key) } }, icon("compare")), say(TEXT.compare.withThis, title(hit.key)));
    return h("li", {}, link, beside);
  }));
}

async function copy() {
  try {
    await navigator.clipboard.writeText(await pathOf(state().image));
    get("copy").replaceChildren(icon("check"));
    setTimeout(() => get("copy").replaceChildren(icon("copy")), 1500);
    announce(TEXT.copied);
  } catch {
    getSelection().selectAllChildren(get("detail-path"));
    notify(TEXT.notCopied, "error", 5);
  }
}

/** Show the picture before (-1) or after (1) it in the grid. */
export function turn(step) {
  const keys = grid.keys(), next = keys[keys.indexOf(state().image) + step];
  if (next && keys.includes(state().image)) change({ image: next }, { replace: true });
}

export function start() {
  part.start();
  stage.start();
  for (const each of [practice, eyedropper, palette, frames, compare]) each.start();
  get("previous").append(icon("left"));
  get("next").append(icon("right"));
  name(get("previous"), TEXT.previous).addEventListener("click", () => turn(-1));
  name(get("next"), TEXT.next).addEventListener("click", () => turn(1));
  get("copy").append(icon("copy"));
  name(get("copy"), TEXT.copy).addEventListener("click", copy);
  get("detail-close").addEventListener("click", closeImage);
  dialog.addEventListener("cancel", (event) => { event.preventDefault(); closeImage(); });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) closeImage();
    const button = event.target.closest("[data-act]");
    if (!button) return;
    const image = state().image, keys = part.chosen(image);
    if (button.dataset.act === "search") part.search(image);
    else closeImageThen(() => keys.forEach((key) => act(button.dataset.act, key)));
  });
  subscribe((now, before) => {
    if (now.image === before.image) return;
    if (now.image) show(now.image);
    else if (dialog.open) {
      asking?.abort();
      dialog.close();
      part.show("");
      stage.show();
      for (const each of [practice, eyedropper, frames, fileinfo]) each.clear();
      palette.show("");
      get("large").removeAttribute("src");
      if (opener && now.view === "grid") grid.focusKey(opener);
    }
  });
}
