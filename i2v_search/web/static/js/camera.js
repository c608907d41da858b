// What part of the map is seen: moved and zoomed by mouse, wheel, fingers and keys.

const SLOP = 4; // pixels a press may move and still be a press
const NARROW = 0.05; // a map is never taken for narrower

/**
 * A camera over a map on a canvas; `seen` is called when it moved, `pressed` with a point of the screen. Where `draws` says
 * so when a finger or the mouse comes down, `drawn` is called with its points in place of moving, and with null at the end;
 * its second argument says whether a second finger, or the system, broke it off. All is shown with `least` pixels a unit.
 */
export function camera(canvas, { seen, pressed, pointed, draws, drawn, least = 50 }) {
  const view = { x: 0.5, y: 0.5, zoom: 1 }; // zoom: pixels a unit
  const fingers = new Map();
  let moved = 0, spread = 0, drawing = false, closest = 0;

  const space = { x: 0.5, y: 0.5, width: 1, height: 1 }; // where the pictures are
  let untouched = true;

  const fitZoom = () => Math.max(least, 0.88 * Math.min(canvas.clientWidth / space.width, canvas.clientHeight / space.height));
  const toScreen = (x, y) => [(x - view.x) * view.zoom + canvas.clientWidth / 2, (y - view.y) * view.zoom + canvas.clientHeight / 2];
  const toMap = (x, y) => [(x - canvas.clientWidth / 2) / view.zoom + view.x, (y - canvas.clientHeight / 2) / view.zoom + view.y];
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  function bound() {
    untouched = false;
    view.zoom = Math.min(Math.max(closest, fitZoom() * 60), Math.max(fitZoom() * 0.6, view.zoom));
    view.x = Math.min(space.x + space.width / 2, Math.max(space.x - space.width / 2, view.x));
    view.y = Math.min(space.y + space.height / 2, Math.max(space.y - space.height / 2, view.y));
    seen();
  }
  function zoomAt(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const before = toMap(x, y);
    view.zoom = Math.min(Math.max(closest, fitZoom() * 60), Math.max(fitZoom() * 0.6, view.zoom * factor));
    const after = toMap(x, y);
    view.x += before[0] - after[0];
    view.y += before[1] - after[1];
    bound();
  }
  function fit() {
    Object.assign(view, { x: space.x, y: space.y, zoom: fitZoom() });
    untouched = true;
    seen();
  }
  /** Say where the pictures are and how near one may come. */
  function enclose({ left, top, right, bottom }, nearest) {
    closest = nearest;
    Object.assign(space, {
      x: (left + right) / 2, y: (top + bottom) / 2, width: Math.max(NARROW, right - left), height: Math.max(NARROW, bottom - top),
    });
  }
  /** The same, and show them all. */
  function cover(box, nearest) {
    enclose(box, nearest);
    fit();
  }
  new ResizeObserver(() => { if (untouched) fit(); else seen(); }).observe(canvas);
  /** Move so that a place is in sight. */
  function reveal(x, y) {
    const [left, top] = toScreen(x, y), margin = 60;
    if (left < margin || top < margin || left > canvas.clientWidth - margin || top > canvas.clientHeight - margin) {
      Object.assign(view, { x, y });
    }
    bound();
  }

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pace = event.deltaMode ? 0.05 : event.ctrlKey ? 0.01 : 0.0016; // a pinch on a touchpad comes as Ctrl and small steps
    zoomAt(Math.exp(-event.deltaY * pace), ...point(event));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    if (drawing) drawn(null, true);
    drawing = !fingers.size && !event.button && draws(event);
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, point(event));
    moved = 0;
    spread = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const here = point(event), before = fingers.get(event.pointerId);
    if (!before) return pointed(here);
    fingers.set(event.pointerId, here);
    moved += Math.hypot(here[0] - before[0], here[1] - before[1]);
    if (drawing) return drawn(here, false, event);
    if (fingers.size === 1) {
      view.x -= (here[0] - before[0]) / view.zoom;
      view.y -= (here[1] - before[1]) / view.zoom;
      bound();
    } else if (fingers.size === 2) {
      const [one, two] = [...fingers.values()];
      const apart = Math.hypot(one[0] - two[0], one[1] - two[1]);
      if (spread) zoomAt(apart / spread, (one[0] + two[0]) / 2, (one[1] + two[1]) / 2);
      spread = apart;
    }
    return undefined;
  });
  canvas.addEventListener("pointerup", (event) => {
    const alone = fingers.size === 1;
    fingers.delete(event.pointerId);
    spread = 0;
    if (drawing) drawn(null);
    drawing = false;
    if (alone && moved < SLOP && !event.button) pressed(point(event), event);
  });
  canvas.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    if (drawing) drawn(null, true);
    drawing = false;
  });
  canvas.addEventListener("pointerleave", () => pointed(null));
  return { view, point, toScreen, toMap, zoomAt, fit, enclose, cover, reveal };
}
