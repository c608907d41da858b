// Icons of 24 x 24, drawn in lines of the colour of the text around them.

const LINES = {
  image: ["M5 4h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1z", "m4.5 17 4.8-5 3.7 3.8 2.4-2.3 4.1 4", "M15.5 8.6v.2"],
  grid: ["M4 4h9v7H4z", "M16 4h4v7h-4z", "M4 14h5v6H4z", "M12 14h8v6h-8z"],
  map: ["M5 6.5v.1", "M9.5 4.5v.1", "M8.5 10.5v.1", "M5.5 15v.1", "M15 8v.1", "M19 5.5v.1", "M18.5 11v.1", "M13 14.5v.1", "M18 17.5v.1", "M11 19.5v.1"],
  auto: ["M12 4a8 8 0 1 0 0 16z", "M12 4a8 8 0 0 1 0 16"],
  light: ["M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z", "M12 2.5v2", "M12 19.5v2", "m5.3 5.3 1.4 1.4", "m17.3 17.3 1.4 1.4", "M2.5 12h2", "M19.5 12h2", "m5.3 18.7 1.4-1.4", "m17.3 6.7 1.4-1.4"],
  dark: ["M19.5 14.2A8 8 0 0 1 9.8 4.5a8 8 0 1 0 9.7 9.7z"],
  help: ["M9 9.2a3 3 0 1 1 4.4 2.7c-.9.5-1.4 1.1-1.4 2.1", "M12 17.6v.1", "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z"],
  close: ["m6 6 12 12", "m18 6-12 12"],
  plus: ["M12 5v14", "M5 12h14"],
  minus: ["M5 12h14"],
  look: ["M14.5 4H20v5.5", "m20 4-6.5 6.5", "M9.5 20H4v-5.5", "m4 20 6.5-6.5"],
  copy: ["M9 9h10v11H9z", "M6 15H5V4h10v2"],
  check: ["m5 12.5 4.5 4.5L19 7.5"],
  search: ["M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z", "m15.5 15.5 4.5 4.5"],
  tag: ["M4 4h7.5l8.5 8.5-7.5 7.5L4 11.5z", "M8.3 8.2v.1"],
  swap: ["M4 8.5h14", "m14.5 5 3.5 3.5-3.5 3.5", "M20 15.5H6", "m9.5 12-3.5 3.5L9.5 19"],
  without: ["M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16z", "m6.4 6.4 11.2 11.2"],
  pin: ["M12 21s6-6.2 6-11a6 6 0 1 0-12 0c0 4.8 6 11 6 11z", "M12 10v.1"],
  play: ["M8 5.5v13l10.5-6.5z"],
  pause: ["M8.5 5.5v13", "M15.5 5.5v13"],
  download: ["M12 4v11", "m7.5 11 4.5 4.5 4.5-4.5", "M5 20h14"],
  down: ["m6 9.5 6 6 6-6"],
  left: ["m14.5 6-6 6 6 6"],
  right: ["m9.5 6 6 6-6 6"],
  filters: ["M4 7h10", "M18 7h2", "M4 17h2", "M10 17h10", "M16 5v4", "M8 15v4"],
  pen: ["m4 20 1-4.5L15.8 4.7a1.4 1.4 0 0 1 2 0l1.5 1.5a1.4 1.4 0 0 1 0 2L8.5 19z", "m13.5 7 3.5 3.5"],
  brush: ["M20 4c-4 1.5-8 5-9.8 8.4l2.4 2.4C16 13 18.8 8.5 20 4z", "M9.6 13.2c-2.2-.3-3.6 1-3.8 3-.1 1.6-.8 2.4-1.8 2.8 3 1.2 7.8.6 7.9-3.3"],
  eraser: ["m9.5 19-5-5a1.4 1.4 0 0 1 0-2l7.5-7.5a1.4 1.4 0 0 1 2 0l5 5a1.4 1.4 0 0 1 0 2L11.5 19z", "m8.2 8.3 7 7", "M9.5 19.5H20"],
  undo: ["M8.5 5 4.5 9l4 4", "M4.5 9H14a5 5 0 0 1 0 10H8"],
  redo: ["m15.5 5 4 4-4 4", "M19.5 9H10a5 5 0 0 0 0 10h6"],
  bin: ["M5 7h14", "M9.5 7V4.5h5V7", "m7 7 .8 12.5h8.4L17 7", "M10.5 10.5v5.5", "M13.5 10.5v5.5"],
  part: ["M7 3v14h14", "M3 7h14v14"],
  dot0: ["M12 11a1 1 0 1 0 0 2 1 1 0 0 0 0-2z"],
  dot1: ["M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z"],
  dot2: ["M12 6a6 6 0 1 0 0 12 6 6 0 0 0 0-12z"],
  fit: ["M4 9V4h5", "M15 4h5v5", "M20 15v5h-5", "M9 20H4v-5"],
};
const SPACE = "http://www.w3.org/2000/svg";

export function icon(name) {
  const picture = document.createElementNS(SPACE, "svg");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  for (const line of LINES[name]) {
    const path = document.createElementNS(SPACE, "path");
    path.setAttribute("d", line);
    picture.append(path);
  }
  return picture;
}
