// Keys that work everywhere, and those that act on the picture that has the focus.

import { act, actionOf } from "./actions.js";
import * as detail from "./detail.js";
import { get, typing } from "./dom.js";
import { choose } from "./dropzone.js";
import * as help from "./help.js";
import * as morph from "./morph.js";
import * as part from "./part.js";
import * as sketchpad from "./sketchpad.js";
import { change, closeImageThen, state } from "./state.js";

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
  if (event.key === "?") return done(event, help.toggle);
  if (get("help").open) return;
  if (state().image) return inDetail(event);
  const key = document.activeElement?.closest("[data-key]")?.dataset.key;
  const action = key && actionOf(event.key);
  if (action && !(event.key === " " && event.target.matches("button, input"))) return done(event, () => act(action, key));
  const everywhere = {
    "/": () => get("search").focus(),
    u: () => choose(),
    d: sketchpad.toggle,
    m: () => change({ view: state().view === "map" ? "grid" : "map" }),
    p: morph.play,
    Escape: () => document.activeElement?.blur(),
  }[event.key];
  if (everywhere) done(event, everywhere);
}

function inDetail(event) {
  if (event.key === "ArrowLeft") return done(event, () => detail.turn(-1));
  if (event.key === "ArrowRight") return done(event, () => detail.turn(1));
  const action = event.key === " " ? undefined : actionOf(event.key), key = part.chosen(state().image);
  if (action && action !== "show") done(event, () => closeImageThen(() => act(action, key)));
}

function done(event, way) {
  event.preventDefault();
  way();
}

export const start = () => addEventListener("keydown", pressed);
