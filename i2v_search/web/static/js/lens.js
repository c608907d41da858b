// What part of a picture is seen, and how large: zoomed and moved by wheel, fingers, mouse and keys.

const STEPS = [1 / 16, 1 / 12, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 1, 2, 3, 4, 6, 8, 12, 16];
const MOST = STEPS.at(-1);
const MARGIN = 16; // pixels around a picture that is seen whole
const NOTCH = 40; // of the wheel, for a step
const STRIP = 4; // times as long as wide
const SPRITE = 256; // pixels of the longer side of pictures that are made of pixels
const SCROLL = 0.85; // of what is in sight, a page

const within = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * A lens over `pane`, which lies in `viewport` and holds the picture. `moved` is told of every change, `begun`
 * when two fingers begin to pinch, and `drags(event)` says whether a press is to move the picture.
 */
export function lens(viewport, pane, { moved, begun = () => {}, drags = () => true }) {
  const view = { width: 0, height: 0, scale: 1, x: 0, y: 0 }; // (x, y): point of the picture in the middle
  const fingers = new Map();
  let untouched = true, turned = 0, spread = 0;

  const room = () => [viewport.clientWidth, viewport.clientHeight];
  const tall = () => view.height > STRIP * view.width;
  const wide = () => view.width > STRIP * view.height;
  const whole = () => Math.min(...room().map((side, at) => Math.max(1, side - 2 * MARGIN) / [view.width, view.height][at]));

  /** The scale at first: whole, or of a strip its narrow side; small pictures at a whole number, not blown up too far. */
  function fitted() {
    const [across, down] = room();
    const scale = tall() ? (across - 2 * MARGIN) / view.width : wide() ? (down - 2 * MARGIN) / view.height : whole();
    if (scale <= 1) return Math.max(scale, 1e-3);
    const most = tall() || wide() ? (Math.min(view.width, view.height) <= SPRITE / 2 ? 4 : 2) : Math.max(view.width, view.height) <= SPRITE ? MOST : 2;
    return Math.min(most, Math.floor(scale));
  }
  const least = () => Math.min(1, whole(), fitted());

  function put() {
    const [across, down] = room();
    const along = (at, length, side) => (length * view.scale <= side ? length / 2 : within(at, side / 2 / view.scale, length - side / 2 / view.scale));
    view.x = along(view.x, view.width, across);
    view.y = along(view.y, view.height, down);
    const [left, top] = [across / 2 - view.x * view.scale, down / 2 - view.y * view.scale].map(Math.round);
    Object.assign(pane.style, {
      left: `${left}px`, top: `${top}px`, width: `${view.width * view.scale}px`, height: `${view.height * view.scale}px`,
    });
    pane.classList.toggle("pixels", view.scale > 1);
    viewport.classList.toggle("movable", movable());
    moved();
  }

  const movable = () => view.width * view.scale > viewport.clientWidth + 1 || view.height * view.scale > viewport.clientHeight + 1;

  /** See all of the picture; of a strip its beginning, at full width. */
  function fit() {
    Object.assign(view, { scale: fitted(), x: 0, y: 0 });
    untouched = true;
    if (view.width) put();
  }
  /** Zoom so that the point of the picture under (x, y) of the window stays there; the middle, without. */
  function zoomTo(scale, at = null) {
    const box = viewport.getBoundingClientRect();
    const [dx, dy] = at ? [at[0] - box.left - box.width / 2, at[1] - box.top - box.height / 2] : [0, 0];
    const next = within(scale, least(), MOST);
    view.x += dx / view.scale - dx / next;
    view.y += dy / view.scale - dy / next;
    view.scale = next;
    untouched = false;
    put();
  }
  /** A step in (1) or out (-1), by way of the scale that fits. */
  function step(way, at = null) {
    const steps = [...STEPS, fitted()].sort((one, two) => one - two);
    const next = way > 0 ? steps.find((each) => each > view.scale * 1.01) : steps.findLast((each) => each < view.scale * 0.99);
    zoomTo(next ?? (way > 0 ? MOST : least()), at);
  }
  /** Move by pixels of the window. */
  function moveBy(dx, dy) {
    view.x += dx / view.scale;
    view.y += dy / view.scale;
    untouched = false;
    put();
  }
  /** Read on along the longer side, by shares of what is in sight. */
  function scrollOn(share) {
    const [across, down] = room();
    if (wide()) moveBy(share * across * SCROLL, 0);
    else moveBy(0, share * down * SCROLL);
  }
  function ends(way) {
    if (wide()) view.x = way < 0 ? 0 : view.width;
    else view.y = way < 0 ? 0 : view.height;
    moveBy(0, 0);
  }
  /** Tell how large the picture is; another one is seen anew. */
  function size(width, height, anew) {
    if (!anew && view.width === width && view.height === height) return;
    const kept = anew || !view.width || untouched ? null : { scale: (view.scale * view.width) / width, x: view.x / view.width, y: view.y / view.height };
    Object.assign(view, { width, height });
    if (!kept) return fit();
    Object.assign(view, { scale: kept.scale, x: kept.x * width, y: kept.y * height });
    return put();
  }
  /** What is in sight, in pixels of the picture: left, top, right, bottom. */
  function seen() {
    const [across, down] = room().map((side) => side / 2 / view.scale);
    return [within(view.x - across, 0, view.width), within(view.y - down, 0, view.height), within(view.x + across, 0, view.width), within(view.y + down, 0, view.height)];
  }
  /** The point of the picture under a point of the window. */
  function under(clientX, clientY) {
    const { left, top } = pane.getBoundingClientRect(); // which lies at whole pixels
    return [(clientX - left) / view.scale, (clientY - top) / view.scale];
  }
  /** Look at what another lens looks at, as much enlarged against what fits. */
  function follow(other) {
    Object.assign(view, { scale: within((fitted() * other.view.scale) / other.fitted(), 1e-3, MOST), x: (other.view.x / other.view.width) * view.width, y: (other.view.y / other.view.height) * view.height });
    put();
  }
  function mirror() {
    view.x = view.width - view.x;
    put();
  }

  viewport.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaMode ? 40 : 1, at = [event.clientX, event.clientY];
    const [dx, dy] = [event.deltaX * pixels, event.deltaY * pixels];
    if (event.ctrlKey) return zoomTo(view.scale * Math.exp(-dy * 0.01), at);
    if ((tall() || wide()) && movable()) return wide() ? moveBy(dy || dx, 0) : moveBy(dx, dy);
    turned = Math.sign(turned) === Math.sign(dy) ? turned + dy : dy;
    if (Math.abs(turned) < NOTCH) return undefined;
    step(turned < 0 ? 1 : -1, at);
    turned = 0;
    return undefined;
  }, { passive: false });
  viewport.addEventListener("dblclick", (event) => {
    if (!event.target.closest("#part-box")) toggleFull([event.clientX, event.clientY]);
  });
  /** Between all and the pixel: its true size, or the next whole number where all is as large. */
  function toggleFull(at = null) {
    if (!untouched) return fit();
    return zoomTo(fitted() < 1 ? 1 : Math.min(MOST, fitted() * 2), at);
  }

  const touches = () => [...fingers.values()].filter(({ touch }) => touch);
  viewport.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") fingers.set(event.pointerId, { at: [event.clientX, event.clientY], touch: true, moves: false });
    if (touches().length === 2) begun();
    spread = 0;
  }, { capture: true });
  viewport.addEventListener("pointerdown", (event) => {
    const middle = event.button === 1;
    if (event.defaultPrevented || (event.button && !middle) || !(middle || drags(event)) || !movable()) return;
    event.preventDefault();
    viewport.setPointerCapture(event.pointerId);
    viewport.classList.add("moving");
    fingers.set(event.pointerId, { at: [event.clientX, event.clientY], touch: event.pointerType === "touch", moves: true });
  });
  viewport.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return;
    const [dx, dy] = [event.clientX - finger.at[0], event.clientY - finger.at[1]];
    finger.at = [event.clientX, event.clientY];
    const [one, two] = touches();
    if (two) {
      const apart = Math.hypot(one.at[0] - two.at[0], one.at[1] - two.at[1]);
      if (spread) zoomTo((view.scale * apart) / spread, [(one.at[0] + two.at[0]) / 2, (one.at[1] + two.at[1]) / 2]);
      spread = apart;
      moveBy(-dx / 2, -dy / 2);
    } else if (finger.moves) {
      moveBy(-dx, -dy);
    }
  }, { capture: true });
  for (const type of ["pointerup", "pointercancel"]) {
    viewport.addEventListener(type, (event) => {
      fingers.delete(event.pointerId);
      spread = 0;
      viewport.classList.remove("moving");
    }, { capture: true });
  }
  new ResizeObserver(() => { if (view.width) { if (untouched) fit(); else put(); } }).observe(viewport);
  return { view, fit, zoomTo, step, moveBy, scrollOn, ends, size, seen, under, follow, mirror, toggleFull, movable, fitted };
}
