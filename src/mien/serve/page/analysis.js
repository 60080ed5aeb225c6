/** The page of a report: what many texts, faces or clips express, from the whole to the single row. */

import { amountOf, mix, Palette, percent, shareRow, spanOf, UNSURE } from "./charts.js";
import { clock, el } from "./dom.js";
import { OverTime, strip } from "./overtime.js";
import { Sheet } from "./sheet.js";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const about = read("about");
const palette = new Palette(about.palette);
const { measure, unit } = about;
const FIRST = 12; // groups and differences that are shown at once
const CARDS = 6; // labels with examples
const many = (n) => n.toLocaleString("en");
const units = (n) => `${many(n)} ${n === 1 ? unit : unit === "person" ? "people" : `${unit}s`}`;
const shown = (entries) => entries.filter(({ share }) => share > 0);
const nameOf = (path) => path.replace(/^.*[\\/](?=.)/, "");
const { certainty } = about; // where there is one, unsure rows are in no share
const withUnsure = (entries, unsure) => (certainty ? entries : [...entries, unsure]);
const mixOf = (entry, small) => mix(withUnsure(entry.sentiment ?? entry.labels, entry.unsure), palette, small);

const parts = [
  ["What they express", whole], ["Over time", overTime], ...about.by.map((by) => [by.column === "person" ? "Each person" : `By ${by.column}`, () => groups(by)]),
  [about.kind === "picture" ? "Faces" : "Examples", examples], ["Unsure, or not read", notRead], ["All rows", sheet], ["How to read this", method],
];

const main = el("main");
const jump = el("nav", { class: "jump", "aria-label": "Parts of this page" });
for (const [title, draw] of parts) {
  const drawn = draw();
  if (!drawn) continue;
  const id = title.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  main.append(el("section", { class: "part", id }, el("h2", {}, title), ...drawn));
  jump.append(el("a", { href: `#${id}` }, title));
}
document.title = `${units(about.rows)} – mien`;
document.body.prepend(header(), main);

function header() {
  const sources = about.sources.map(nameOf).join(", ") + (about.sourceCount > about.sources.length ? `, and ${many(about.sourceCount - about.sources.length)} more` : "");
  const left = Object.values(about.left_out).reduce((sum, count) => sum + count, 0);
  const facts = [sources, `read with the model ${about.model}`, ...(left ? [`${many(left)} not read or left out`] : [])];
  const files = about.name;
  return el("header", { class: "page-head" }, el("h1", {}, units(about.rows)), el("p", { class: "facts" }, facts.join(" · ")),
    el("p", { class: "facts" }, `The same figures: ${files}.xlsx, ${files}.csv, ${files}.json`),
    ...(about.notes.length ? [el("ul", { class: "notice mild" }, ...about.notes.map((note) => el("li", {}, note)))] : []), jump);
}

// -------------------------------------------------------------------------------------------------------- the whole

function whole() {
  const { sentiment, labels, unsure } = about;
  const all = withUnsure(sentiment ?? labels, unsure);
  const most = Math.min(1, Math.max(...all.map(({ share, high }) => high ?? share), 0.05) * 1.02);
  const row = (entry, head) => shareRow(entry, { palette, most, head });
  const finer = (of) => shown(labels).filter(({ label }) => !of || of.includes(label)).sort((a, b) => b.share - a.share);
  const list = el("ul", { class: "shares" });
  for (const coarse of sentiment ?? []) {
    list.append(row(coarse, true));
    const under = finer(coarse.of);
    if (under.length > 1 || (under.length && under[0].label !== coarse.label)) list.append(...under.flatMap(withGathered));
  }
  if (!sentiment) list.append(...finer().flatMap(withGathered));
  if (!certainty) list.append(row(unsure, true));

  function withGathered(entry) {
    const gathers = entry.gathers ? [el("li", { class: "share" }, el("span", { class: "gathers soft" }, `gathers ${entry.gathers.join(", ")}`))] : [];
    return [row(entry, false), ...gathers];
  }
  return [el("div", { class: "card stack" }, mix(all, palette), list, ...uncounted(), ...rolls())];
}

/** What is in no share, because the model is not sure of it. */
function uncounted() {
  if (!certainty) return [];
  const many = measure === "seconds" ? `${about.unsure.seconds} of ${about.seconds} seconds are` : `${about.unsure.count.toLocaleString("en")} of ${units(about.rows)} ${about.unsure.count === 1 ? "is" : "are"}`;
  return [el("p", { class: "soft" }, `${many} unsure and not counted: ${surely()}`)];
}

function surely() {
  const { threshold, rate, bounded, n, of = "score" } = certainty;
  return `below a ${of} of ${threshold.toFixed(2)}. From there on the model is right in ${bounded ? "at least" : "about"} ${percent(rate)} of its answers, as measured on ${n.toLocaleString("en")} samples.`;
}

/** What rolls into what. */
function rolls() {
  const lines = (about.sentiment ?? []).map(({ label, of }) => el("li", {}, el("b", {}, palette.words(label)), `: ${of.join(", ")}`));
  if (!lines.length) return [];
  const words = "Positive, negative, neutral and ambiguous gather finer labels, as the authors of GoEmotions group them. Nothing is in two of them:";
  return [el("details", {}, el("summary", {}, "What rolls into what"), el("p", { class: "soft" }, words), el("ul", {}, ...lines))];
}

// --------------------------------------------------------------------------------------------------------- over time

function overTime() {
  if (!about.over || !about.over.names.length) return null;
  const timed = about.by.flatMap(({ column, groups: some }) => some.filter(({ periods }) => periods).map(({ group, periods }) => ({ name: `${column}: ${group}`, periods })));
  const undated = about.over.undated ? [el("p", { class: "soft" }, `${units(about.over.undated)} without a date ${about.over.undated === 1 ? "is" : "are"} not in this chart.`)] : [];
  const chart = new OverTime(about.over, { palette, groups: timed, unit: units });
  const changes = about.over.change.filter(({ clear }) => clear);
  const from = about.over.change[0]?.from;
  const words = from ? [el("p", {}, changes.length ? `From ${from} on, against the time before:` : `From ${from} on, nothing differs from the time before by more than chance would give (${many(about.over.change.length)} labels compared).`)] : [];
  return [chart.element, ...undated, ...words, ...(changes.length ? [clearList(changes, () => "later", "before")] : [])];
}

// ------------------------------------------------------------------------------------------------------------ groups

function groups(by) {
  const coarse = about.sentiment ? about.sentiment.map(({ label }) => label) : shown(about.labels).sort((a, b) => b.share - a.share).slice(0, 5).map(({ label }) => label);
  const level = about.sentiment ? "sentiment" : "labels";
  const clear = new Map(by.clear.map((entry) => [`${entry.group}\n${entry.level === "label" ? "labels" : entry.level}\n${entry.label}`, entry]));
  const timed = by.groups.some(({ periods }) => periods);
  const body = el("tbody");
  const row = (group) => el("tr", {}, el("td", { title: group.group }, by.column === "person" ? nameOf(group.group) : group.group), el("td", { class: "figure" }, measure === "seconds" ? `${group.seconds.toFixed(1)} s` : many(group.rows)),
    el("td", { class: "wide-cell" }, mixOf(group, true)), ...coarse.map((label) => {
      const entry = group[level].find((one) => one.label === label) ?? { share: 0 };
      const differs = clear.get(`${group.group}\n${level}\n${label}`);
      const sign = differs ? el("b", { title: "more than chance" }, differs.difference > 0 ? " ▲" : " ▼", el("span", { class: "hidden" }, differs.difference > 0 ? " clearly more" : " clearly less")) : "";
      return el("td", { class: "figure", title: spanOf(entry) }, percent(entry.share), sign);
    }), ...(timed ? [el("td", {}, group.periods ? strip(about.over, group.periods, palette) : "")] : []));
  const heads = [by.column, measure === "seconds" ? "time" : `${unit}s`, "mix", ...coarse.map((label) => `${palette.emoji(label)} ${palette.words(label)}`), ...(timed ? ["over time"] : [])];
  const table = el("div", { class: "wide", tabIndex: 0, role: "region", "aria-label": `Groups of ${by.column}` }, el("table", { class: "groups" },
    el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))), body));
  body.append(...by.groups.slice(0, FIRST).map(row));
  const rest = by.groups.slice(FIRST);
  const further = by.more + by.others.groups;
  const more = rest.length ? [button(`Show ${many(rest.length)} more`, (self) => { body.append(...rest.map(row)); self.remove(); })] : [];
  const others = further ? [el("p", { class: "soft" }, `… and ${many(further)} smaller groups${by.others.groups ? "" : ", which the tables beside this page have"}`)] : [];
  return [el("div", { class: "card stack" }, table, ...more, ...others), ...differences(by)];
}

function differences({ clear, compared, groups: some }) {
  if (!compared) return [];
  const rest = some.length === 2 ? some[1].group : "the others";
  if (!clear.length) return [el("p", {}, `No difference is more than chance would give (${many(compared)} compared).`)];
  const words = `${many(clear.length)} of ${many(compared)} differences are more than chance. The clearest first:`;
  return [el("p", {}, words), clearList(clear, ({ group }) => group, rest)];
}

function clearList(entries, who, rest) {
  const item = (entry) => {
    const points = Math.round(100 * Math.abs(entry.difference));
    const more = entry.difference > 0 ? "more" : "less";
    const span = [entry.low, entry.high].map((end) => Math.round(100 * Math.abs(end))).sort((a, b) => a - b).join(" to ");
    const figures = `${percent(entry.share)} of ${many(entry.rows)} against ${percent(entry.other_share)} of ${many(entry.other_rows)} for ${rest}; ${points} points (${span}), q ${entry.q < 0.001 ? "< 0.001" : `= ${entry.q.toFixed(3)}`}`;
    return el("li", {}, el("span", { "aria-hidden": "true" }, palette.emoji(entry.label)),
      el("span", {}, el("b", {}, `${who(entry)}: ${more} ${palette.words(entry.label)}`), ` – ${figures}`));
  };
  const list = el("ul", { class: "clear-list" }, ...entries.slice(0, FIRST).map(item));
  const others = entries.slice(FIRST);
  const more = others.length ? [button(`Show ${many(others.length)} more`, (self) => { list.append(...others.map(item)); self.remove(); })] : [];
  return el("div", { class: "card stack" }, list, ...more);
}

function button(words, act) {
  const made = el("button", { class: "quiet", type: "button" }, words);
  made.addEventListener("click", () => act(made));
  return made;
}

// ---------------------------------------------------------------------------------------------------------- examples

function examples() {
  const order = [...about.labels].sort((a, b) => b.share - a.share).map(({ label }) => label);
  const cards = [...order, UNSURE].filter((label) => label in about.examples).map((label) => {
    const { surest, typical } = about.examples[label];
    const entry = label === UNSURE ? about.unsure : about.labels.find((one) => one.label === label);
    const faces = surest.some(({ src }) => src);
    const kinds = [[label === UNSURE ? "least sure" : "surest", surest], ["most typical", typical]].filter(([, some]) => some.length);
    const head = el("h3", {}, `${palette.emoji(label)} ${palette.words(label)} `, el("small", { class: "soft" }, `${amountOf(entry)}, ${percent(entry.share)}`));
    return palette.paint(el("article", { class: "card" }, head, ...kinds.flatMap(([words, some]) => [el("h4", {}, words), ...(faces ? [el("div", { class: "faces" }, ...some.map(face))] : some.map(quote))])), label);
  });
  cards.forEach((card) => card.classList.remove("of-unsure"));
  if (!cards.length) return null;
  const list = el("div", { class: "examples-of" }, ...cards.slice(0, CARDS));
  const rest = cards.slice(CARDS);
  return [list, ...(rest.length ? [button(`Show ${many(rest.length)} more labels`, (self) => { list.append(...rest); self.remove(); })] : [])];
}

function quote({ text, score, more }) {
  const span = more?.end === undefined ? [] : [`${clock(more.start)} – ${clock(more.end)}`];
  const known = Object.values(more ?? {}).filter((value) => value && typeof value === "string").map((value) => value.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*$/, "$1 $2"));
  return el("blockquote", {}, el("p", { title: text }, measure === "seconds" ? nameOf(text) : text), el("span", { class: "soft" }, [percent(score), ...span, ...known].join(" · ")));
}

function face({ src, text, score }) {
  const name = nameOf(text);
  return el("figure", {}, ...(src ? [el("img", { src, alt: `A face in ${name}` })] : []), el("figcaption", { class: "soft", title: text }, `${percent(score)} ${name}`));
}

// ----------------------------------------------------------------------------------------------------- what is left

function notRead() {
  const lines = (counts, head) => Object.keys(counts).length
    ? [el("div", { class: "wide", tabIndex: 0, role: "region", "aria-label": head }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, head), el("th", { scope: "col" }, "how many"))),
      el("tbody", {}, ...Object.entries(counts).map(([reason, count]) => el("tr", {}, el("td", { class: "long" }, reason), el("td", { class: "figure" }, many(count)))))))] : [];
  const tables = [...lines(about.unsure_because, "unsure, because"), ...lines(about.left_out, "not read or left out, because")];
  if (!tables.length) return [el("p", {}, "Everything was read, and a label holds for all of it.")];
  return [el("p", { class: "soft" }, certainty ? "Neither what is unsure nor what was not read is in the shares." : "What is unsure is in all shares, as unsure; it is not neutral. What was not read is in none."), ...tables];
}

function sheet() {
  const rows = read("rows");
  const made = new Sheet(rows, { palette, text: about.kind === "text" ? "text" : "file" });
  const some = rows.number.length < rows.of ? [el("p", { class: "soft" }, `A random sample: ${many(rows.number.length)} of ${many(rows.of)} rows.`)] : [];
  return [...some, made.element];
}

// ------------------------------------------------------------------------------------------------------------ method

function method() {
  const each = unit === "person" ? "The shares are of time: how long each label was the strongest in a face." : `Each ${unit} counts once, under its strongest label.`;
  const sure = about.multilabel ? "its threshold, which was tuned on other data" : "0.5";
  const points = [
    certainty ? `${each} It is unsure, and in no share, ${surely()}` : `${each} Where no label reaches ${sure}, it is unsure.`,
    measure === "seconds" ? "Intervals are of 95 % by the bootstrap over people, where there are at least five." : "Intervals are of 95 %, by Wilson’s score. They hold for rows that were drawn at random and do not depend on each other; many rows of one author are surer on paper than in truth.",
    "A difference is called more than chance where the test of two shares (chi-squared, or Fisher’s exact test for few rows), adjusted for all comparisons of its part by Benjamini and Hochberg, gives q below 0.05. Of such differences about one in twenty is chance. A difference is no cause.",
    "The most typical rows are those whose scores are closest to the mean of their label.",
    "The model errs, and not alike for all kinds of texts and faces: what it calls joy is what looks like joy to it. Measure it on labeled rows of your own (mien evaluate) before much hangs on it. These figures are about many, not about one.",
  ];
  return [el("ul", { class: "stack" }, ...points.map((point) => el("li", { class: "soft" }, point)))];
}
