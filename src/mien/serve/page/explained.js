/** What brought a label about: the words of a text in colour and in figures, or the regions of a face as heat. */

import { el, svg } from "./dom.js";

const LEAST = 0.02; // a share below this is not shown in colour

/**
 * The text with its words in colour, and below it the words that count in figures.
 *
 * @param {string} text
 * @param {{label: string, score: number, words: {text: string, start: number, end: number, share: number}[], note?: string}} explanation
 * @param {string} color of the label
 */
export function coloredWords(text, { label, score, words = [], note }, color) {
  const letters = Array.from(text); // places count code points
  const top = Math.max(LEAST, ...words.map(({ share }) => share));
  const parts = [];
  let at = 0;
  for (const { start, end, share } of words) {
    parts.push(letters.slice(at, start).join(""));
    const word = letters.slice(start, end).join("");
    const mark = Math.abs(share) < LEAST ? word : el(share > 0 ? "mark" : "s", { title: points(share) }, word);
    if (share >= LEAST) {
      mark.style.setProperty("--share", `${Math.round(10 + (30 * share) / top)}%`); // no more, or words are hard to read on it
      mark.classList.toggle("deciding", share >= top / 2);
    }
    parts.push(mark);
    at = end;
  }
  const line = el("p", { class: "words-line" }, ...parts, letters.slice(at).join(""));
  line.style.setProperty("--color", color);
  const count = words.filter(({ share }) => Math.abs(share) >= 0.005).sort((one, other) => Math.abs(other.share) - Math.abs(one.share));
  const said = count.slice(0, 5).map((word) => `${short(word.text)} ${points(word.share)}`).join(", ") || "no single word decides";
  const whole = `points of ${label}’s ${Math.round(100 * score)}%${note ? `; ${note}` : ""}`;
  return el("div", { class: "because" }, line, el("p", { class: "soft" }, `Because of ${said} (${whole})`));
}

/** A layer of heat for the faces of a picture of that size; it takes no part of the box or its words. */
export function heatLayer(items, width, height) {
  const explained = items.filter(({ explanation }) => explanation?.grid);
  if (!explained.length) return null;
  const images = explained.map(({ explanation: { grid, corners } }) => {
    const [[x0, y0], [x1, y1], , [x3, y3]] = corners;
    const size = grid.length;
    const matrix = [x1 - x0, y1 - y0, x3 - x0, y3 - y0].map((side) => side / size);
    const canvas = painted(grid);
    const image = svg("image", { href: canvas.toDataURL(), width: size, height: size, preserveAspectRatio: "none", transform: `matrix(${[...matrix, x0, y0].join(" ")})` });
    return Object.assign(image, { mien: canvas }); // to draw it into a picture too
  });
  return svg("svg", { class: "heat", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" }, ...images);
}

function painted(grid) {
  const size = grid.length;
  const canvas = el("canvas", { width: size, height: size });
  const paint = canvas.getContext("2d");
  const top = Math.max(...grid.flat());
  grid.forEach((row, y) => row.forEach((share, x) => {
    paint.fillStyle = `rgb(255 84 0 / ${top < LEAST ? 0 : (0.75 * Math.max(0, share)) / top})`;
    paint.fillRect(x, y, 1, 1);
  }));
  return canvas;
}

function points(share) {
  const rounded = Math.round(100 * share);
  return rounded < 0 ? `−${-rounded}` : `+${rounded}`;
}

function short(text) {
  return text.length <= 30 ? text : `${text.slice(0, 14)} … ${text.slice(-12)}`;
}
