// Lines over a picture, for those who draw it: thirds, or squares.

const KINDS = ["", "thirds", "squares"];
const SQUARES = 8; // along the longer side

/** The lines after these: none is "". */
export const following = (lines) => KINDS[(KINDS.indexOf(lines) + 1) % KINDS.length];
/** Their number among the texts that name them. */
export const numberOf = (lines) => KINDS.indexOf(lines);

function path(lines, width, height) {
  const thirds = [1 / 3, 2 / 3], side = Math.max(width, height) / SQUARES;
  const every = (length) => Array.from({ length: Math.ceil(length / side) - 1 }, (_, at) => (at + 1) * side);
  const xs = lines === "thirds" ? thirds.map((share) => share * width) : every(width);
  const ys = lines === "thirds" ? thirds.map((share) => share * height) : every(height);
  return [...xs.map((x) => `M${x} 0V${height}`), ...ys.map((y) => `M0 ${y}H${width}`)].join("");
}

/** Draw lines onto a sheet over a picture of `width` x `height`, 0 while that is not known. */
export function drawLines(sheet, lines, width, height) {
  sheet.toggleAttribute("hidden", !lines || !width);
  if (!lines || !width) return;
  sheet.setAttribute("viewBox", `0 0 ${width} ${height}`);
  for (const line of sheet.children) line.setAttribute("d", path(lines, width, height));
}
