// Keys that work everywhere, and those that act on the picture that has the focus.

import { act, actionOf } from "./actions.js";
import * as compare from "./compare.js";
import { choose as chooseBoard } from "./boardpick.js";
import * as copies from "./copies.js";
import * as detail from "./detail.js";
import { get, typing } from "./dom.js";
import { choose } from "./dropzone.js";
import * as eyedropper from "./eyedropper.js";
import * as frames from "./frames.js";
import * as help from "./help.js";
import * as morph from "./morph.js";
import * as part from "./part.js";
import * as practice from "./practice.js";
import * as sketchpad from "./sketchpad.js";
import { selected } from "./selection.js";
import * as stage from "./stage.js";
import * as stars from "./stars.js";
import { change, closeImageThen, state } from "./state.js";
import * as timed from "./timed.js";

function pressed(event) {
  if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && state().view === "copies" && !document.querySelector("dialog[open]") && !typing(event.target)) return done(event, copies.undo);
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
  if (get("timed").open) return; // which has keys of its own
  if (event.key === "?") return done(event, help.toggle);
  if (document.querySelector("dialog[open]:not(#detail)")) return;
  if (state().image) return inDetail(event);
  const ofCopies = state().view === "copies" && copies.keyed(event);
  if (ofCopies) return done(event, ofCopies);
  const key = document.activeElement?.closest("[data-key]")?.dataset.key;
  const action = key && actionOf(event.key);
  if (action && !(event.key === " " && event.target.matches("button, input"))) return done(event, () => act(action, key));
  const kept = key && !selected().has(key) ? [key] : [...selected()];
  const everywhere = {
    ...(kept.length ? { k: () => chooseBoard(kept), "*": () => stars.toggle(kept) } : {}),
    "/": () => get("search").focus(),
    u: () => choose(),
    d: sketchpad.toggle,
    m: () => change({ view: state().view === "map" ? "grid" : "map" }),
    c: () => change({ view: state().view === "canvas" ? "grid" : "canvas" }), // of a board
    y: copies.toggle,
    p: morph.play,
    t: () => timed.open(),
    Escape: () => document.activeElement?.blur(),
  }[event.key];
  if (everywhere) done(event, everywhere);
}

function inDetail(event) {
  const way = eyedropper.keyed(event) ?? frames.keyed(event) ?? compare.keyed(event) ?? stage.keyed(event) ?? practice.keys[event.key]
    ?? { k: () => chooseBoard([state().image]), "*": () => stars.toggle([state().image]) }[event.key];
  if (way) return done(event, way);
  if (event.key === "ArrowLeft" && !event.shiftKey) return done(event, () => detail.turn(-1));
  if (event.key === "ArrowRight" && !event.shiftKey) return done(event, () => detail.turn(1));
  const action = event.key === "L" ? "unlike" : event.key === "l" ? "like" : event.key === " " ? undefined : actionOf(event.key), keys = part.chosen(state().image);
  if (action && action !== "show") done(event, () => closeImageThen(() => keys.forEach((key) => act(action, key))));
}

function done(event, way) {
  event.preventDefault();
  way();
}

export const start = () => addEventListener("keydown", pressed);
