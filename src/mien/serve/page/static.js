/** A page of results that stands alone: the JSON in it, drawn by the modules of the server's page. */

import { clock, el, percent, ranked, shownLabel, shownLabels } from "./dom.js";
import { ClipResult } from "./film.js";
import { coloredWords } from "./explained.js";
import { colorOf } from "./people.js";
import { PictureResult } from "./picture.js";
import "./bars.js";

const read = (element) => JSON.parse(element.textContent);
const about = read(document.getElementById("about"));
const { palette, scales } = about;
const results = document.querySelectorAll("script.result");
const SHOWN = 200; // segments in a table
const LONG_WORD = /\S{25}/u, FIGURE = /^[!-~]{1,24}$/; // in a cell: what has to break, and what may not, such as a date

const DRAWN = { cards: textCard, picture: pictureCard, clip: clipCard };
const main = el("main");
const counted = results.length > 1 && ranked(about.counts).length ? [chips(about.counts)] : [];
const left = about.uncounted ? [el("p", { class: "soft" }, about.uncounted)] : [];
const links = Object.entries(about.links).map(([address, words]) => el("a", { class: "soft", href: address }, words));
document.body.prepend(el("header", { class: "page-head" }, el("h1", {}, about.title), ...links, ...counted, ...left), main);
if (about.layout === "table") main.append(table([...results].map(read)));
else for (const result of results) main.append(card(read(result)));
if (about.rest) main.append(el("p", { class: "soft" }, about.rest));

/** How often each label came. */
function chips(counts) {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return el("ul", { class: "counts" }, ...ranked(counts).map((label) => {
    const { emoji = "", color = "#8a8f98" } = palette.find(({ name }) => name === label) ?? {};
    const item = el("li", { class: "chip" }, `${emoji} ${label} `, el("b", {}, counts[label].toLocaleString("en")),
      el("span", { class: "soft" }, ` ${((100 * counts[label]) / total).toFixed(1)}%`));
    item.style.setProperty("border-color", color);
    return item;
  }));
}

function card(result) {
  const element = el("article", {}, el("h2", {}, result.input, " ", el("small", { class: "soft" }, facts(result))));
  if (result.error) element.append(el("p", { class: "notice" }, result.error));
  else element.append(...DRAWN[result.layout ?? about.layout](result));
  return element;
}

function facts({ clip }) {
  if (!clip) return "";
  return `${clock(clip.duration ?? 0)} · ${clip.width} × ${clip.height} · looked at ${clip.frames.toLocaleString("en")} frames`;
}

/** The labels that these predictions have, of a page whose models have several kinds. */
function paletteOf([item]) {
  return item ? palette.filter(({ name }) => name in item.scores) : palette;
}

/** A text: its words where they are explained, and its labels with bars. */
function textCard({ input, items: [item] }) {
  const bars = el("mien-bars", { palette: paletteOf([item]) });
  bars.setAttribute("shown", "3");
  bars.prediction = item;
  return [...(item.explanation ? [coloredWords(input, item.explanation, colorOf(palette, item.label))] : []), bars];
}

function pictureCard({ items, picture, unit = about.unit }) {
  const image = el("img", { alt: "", src: picture.src });
  const shown = new PictureResult(image, ...(items.length ? [] : [el("p", { class: "summary" }, `No ${unit} was found.`)]));
  image.decode().then(() => shown.show(items, { palette: paletteOf(items), scales, unit, size: picture.size }), () => {});
  return [shown.element];
}

function clipCard(result) {
  const { frames, more, unit = about.unit } = result;
  const image = el("img", { alt: "A frame of the clip" });
  const end = result.end;
  const whole = result.people.length && result.items[0]?.label ? answer(result.items[0]) : null;
  const film = el("div", { class: "film", "aria-hidden": "true" }, ...spread(frames).map(({ src }) => el("img", { src, alt: "" })));
  const shown = new ClipResult(image, { above: whole ? [whole] : [], below: [film], onSeek: seek });
  function seek(time) {
    const nearest = frames.reduce((best, frame) => (Math.abs(frame.time - time) < Math.abs(best.time - time) ? frame : best), frames[0]);
    if (nearest && image.src !== nearest.src) image.src = nearest.src;
    const drawn = () => shown.render(time, { shown: nearest?.time ?? time, steady: image.complete && image.naturalWidth > 0 });
    image.decode().then(drawn, drawn);
  }
  shown.show(result, { palette: paletteOf(result.items), scales, end, visible: frames.length > 0 });
  shown.scrub.value = result.best;
  seek(result.best);
  const notes = [result.clip.problem, !frames.length && "the clip cannot be read any more"].filter(Boolean);
  const none = result.items.length ? [] : [el("p", { class: "summary" }, `No ${unit} was seen.`)];
  const left = result.uncounted ? [el("p", { class: "soft" }, result.uncounted)] : [];
  const rest = more ? [el("p", { class: "soft" }, `… and ${more} more people, who were seen less`)] : [];
  return [...notes.map((note) => el("p", { class: "notice" }, note)), ...none, shown.element, ...left, ...rest, ...segmentsOf(result, seek)];
}

/** At most twelve of them, evenly. */
function spread(frames) {
  const every = Math.ceil(frames.length / 12);
  return frames.filter((_, place) => place % every === 0);
}

/** What a clip comes to. */
function answer(item) {
  const element = el("div", { class: "person" }, el("div", { class: "person-head" },
    el("span", { class: "emoji", "aria-hidden": "true" }, item.emoji),
    el("div", {}, el("span", { class: "soft" }, "The clip"), el("div", {}, el("strong", {}, shownLabel(item)), " ", percent(item.score)))));
  element.classList.toggle("unsure", Boolean(item.unsure));
  element.style.setProperty("--color", colorOf(palette, item.label));
  return element;
}

function segmentsOf({ segments, segmentCount, people }, seek) {
  if (!segments.length) return [];
  const several = people.length > 1;
  const heads = ["time", ...(several ? ["person"] : []), "emotion", "mean"];
  const rows = segments.slice(0, SHOWN).map((segment) => {
    const { emoji = "" } = palette.find(({ name }) => name === segment.label) ?? {};
    const cells = [`${clock(segment.start)} – ${clock(segment.end)}`, ...(several ? [String(segment.person)] : []),
      `${emoji} ${segment.label}`, percent(segment.score)];
    const row = el("tr", {}, ...cells.map(cell));
    row.addEventListener("pointerenter", () => seek(segment.start));
    return row;
  });
  const more = segmentCount > rows.length ? [el("p", { class: "soft" }, `… and ${(segmentCount - rows.length).toLocaleString("en")} more`)] : [];
  return [el("details", {}, el("summary", {}, `${segmentCount.toLocaleString("en")} segments`),
    grid(heads, rows), ...more)];
}

/** A table, which scrolls sideways in a narrow window. */
function grid(heads, rows) {
  return el("div", { class: "wide" }, el("table", {},
    el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", {}, head)))), el("tbody", {}, ...rows)));
}

/** A value of a table; only in words too long for a column does a line end. */
function cell(value) {
  const text = String(value ?? "");
  return el("td", { class: LONG_WORD.test(text) ? "long" : FIGURE.test(text) ? "figure" : "" }, text);
}

/** Many texts, or rows of numbers: a row each. */
function table(rows) {
  const names = [...new Set(rows.flatMap(({ cells }) => Object.keys(cells)))];
  return grid([...names, "emotion", "", "score"], rows.map((row) => {
    const labels = cell(row.error ?? shownLabels(row));
    labels.classList.toggle("soft", Boolean(row.error || row.unsure));
    labels.style.setProperty("--color", colorOf(palette, row.label));
    const score = row.score === null ? "" : percent(row.score);
    return el("tr", {}, ...names.map((name) => cell(row.cells[name])), labels, cell(row.emoji), cell(score));
  }));
}
