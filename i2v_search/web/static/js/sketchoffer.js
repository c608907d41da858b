// Where a picture of the query looks like a drawing: the offer to search for it as one. Nothing is switched silently.

import { get } from "./dom.js";
import { announce } from "./notice.js";
import { imageOf, isSketch, keyOf, partOf, uploaded } from "./reference.js";
import { change, replaceExample, state } from "./state.js";
import { TEXT } from "./strings.js";

/** The examples that may be meant: the answer speaks of images from outside. */
const pictures = ({ like, unlike }) => [...like, ...unlike].filter((key) => uploaded(key) && !isSketch(key));

function show(answer) {
  const several = pictures(state()).length > 1;
  get("sketch-offer").hidden = !answer.looks_like_sketch;
  get("sketch-offer-text").textContent = several ? TEXT.looksDrawnOne : TEXT.looksDrawn;
  get("take-for-sketch").hidden = several;
  if (answer.looks_like_sketch) announce(get("sketch-offer").innerText);
}

export function start(whenShown) {
  whenShown(show);
  get("take-for-sketch").addEventListener("click", () => {
    const [key] = pictures(state());
    change(replaceExample(key, keyOf(imageOf(key), { sketch: true, part: partOf(key) })));
  });
}
