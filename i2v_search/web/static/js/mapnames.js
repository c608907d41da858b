// Names of the regions of the map: the large ones from far, smaller ones from near, none over another.

const FONTS = ["600 15px", "600 13px", "500 12px"];
const ROOM = [260, 130, 62]; // pixels of the screen that a region of each level has at least, or its name is left out
const GAP = 8;

/** Draw the names that have room; `place` gives the point of the screen of a region. */
export function drawNames(pen, regions, { place, zoom, width, height, family, ink, ground }) {
  const taken = [], said = new Set();
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  for (const region of regions) {
    if (said.has(region.name) || region.room * zoom < ROOM[region.level]) continue;
    const [x, y] = place(region);
    pen.font = `${FONTS[region.level]} ${family}`;
    const half = pen.measureText(region.name).width / 2 + GAP;
    const box = [x - half, y - 12, x + half, y + 12];
    if (box[0] < 0 || box[1] < 0 || box[2] > width || box[3] > height) continue;
    if (taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
    taken.push(box);
    said.add(region.name);
    pen.lineWidth = 5;
    pen.strokeStyle = ground;
    pen.strokeText(region.name, x, y);
    pen.fillStyle = ink;
    pen.fillText(region.name, x, y);
  }
  return [...said];
}
