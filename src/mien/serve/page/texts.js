/** A file of texts, read in the browser: a table (CSV, TSV) or a text on each line; its rows are asked about part by part. */

import { el } from "./dom.js";
import { resultTable } from "./gallery.js";
import { Save } from "./save.js";

const MOST = 2000; // rows
const EACH = 50; // of a request
const LARGEST = 16e6; // bytes
const LONGEST = 100_000; // characters of a text, as the server takes them
/** Columns that hold texts, as `mien predict` knows them. */
const NAMES = ["text", "texts", "comment", "sentence", "content", "review", "message", "tweet", "utterance", "post"];

export class TextTable {
  #stop = null;

  /** @param {{ask: (texts: string[], signal: AbortSignal) => Promise<object[]>, failed: (problem: Error) => void}} how */
  constructor({ ask, failed }) {
    Object.assign(this, { ask, failed });
    this.summary = el("p", { class: "summary", role: "status" });
    this.bar = el("progress", { class: "bar", "aria-label": "How many rows are read" });
    this.column = el("select", {});
    this.columns = el("label", { class: "soft line" }, "Texts are in the column", this.column);
    this.counts = el("ul", { class: "line counted" });
    this.save = new Save();
    this.table = el("div");
    this.element = el("section", { class: "card stack", hidden: true, "aria-label": "A table of texts" },
      this.summary, this.bar, this.columns, this.counts, this.save.element, this.table);
    this.column.addEventListener("change", () => this.#read());
  }

  /** @param {File} file */
  async open(file) {
    this.#stop?.abort();
    this.element.hidden = true;
    try {
      if (file.size > LARGEST) throw new Error(`${file.name} is larger than ${LARGEST / 1e6} MB; mien predict reads it`);
      const text = await file.arrayBuffer().then((bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes)).catch(() => {
        throw new Error(`${file.name} is not UTF-8; mien predict reads other encodings`);
      });
      const lines = /\.txt$/i.test(file.name) || file.type === "text/plain";
      const [names, ...rows] = lines ? [["text"], ...text.split(/\r?\n/).map((line) => [line])] : parseTable(text, file.name);
      if (lines && rows.at(-1)?.[0] === "") rows.pop(); // behind the last line end
      if (!rows.length) throw new Error(`${file.name} has no rows`);
      Object.assign(this, { name: file.name, names, rows: rows.slice(0, MOST), left: Math.max(0, rows.length - MOST) });
      this.column.replaceChildren(...names.map((name, place) => el("option", { value: place }, name || `column ${place + 1}`)));
      this.column.value = columnOf(names, this.rows);
      this.columns.hidden = names.length < 2;
      await this.#read();
    } catch (problem) {
      this.failed(problem);
    }
  }

  /** Reads it again, as after another model was chosen. */
  again() {
    if (!this.element.hidden) this.#read();
  }

  async #read() {
    this.#stop?.abort();
    const { signal } = (this.#stop = new AbortController());
    const column = Number(this.column.value);
    const texts = this.rows.map((row) => row[column] ?? "");
    const results = [];
    Object.assign(this.bar, { max: texts.length, value: 0, hidden: false });
    this.element.hidden = false;
    this.save.offer([]);
    this.table.replaceChildren();
    this.counts.replaceChildren();
    try {
      for (let at = 0; at < texts.length; at += EACH) {
        this.summary.textContent = `Reading ${this.name}… ${at.toLocaleString("en")} of ${texts.length.toLocaleString("en")} rows`;
        this.bar.value = at;
        results.push(...(await this.#part(texts.slice(at, at + EACH), signal)));
      }
    } catch (problem) {
      if (problem.name === "AbortError" || signal.aborted) return;
      this.failed(problem);
      if (!results.length) return void (this.element.hidden = true);
    }
    results.forEach((result, place) => (result.columns = Object.fromEntries(this.names.map((name, at) => [name, this.rows[place][at] ?? ""]))));
    this.bar.hidden = true;
    const failed = results.filter(({ error }) => error);
    const foreign = languages(failed);
    const without = failed.length - foreign.reduce((sum, [, count]) => sum + count, 0);
    const rest = this.left + texts.length - results.length;
    const named = foreign.map((one) => one.join(" ")).join(", ");
    const more = [without && `${without} without an answer`, rest && `${rest.toLocaleString("en")} more rows were left out`,
      named && `not read: language ${named}`].filter(Boolean);
    this.summary.textContent = [`${this.name}: ${results.length.toLocaleString("en")} rows`, ...more].join(", ");
    this.counts.replaceChildren(...counted(results));
    this.table.replaceChildren(resultTable(results, "text"));
    this.save.offer(results);
  }

  /** Results of some texts; what the server would refuse is not sent, and has its reason. */
  async #part(texts, signal) {
    const problems = texts.map((text) => (!/[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(text) ? "text is empty" : text.length > LONGEST ? "text is too long" : null));
    const sent = texts.filter((_, place) => !problems[place]);
    const found = sent.length ? [...(await this.#asked(sent, signal))] : [];
    return texts.map((input, place) => (problems[place] ? unread(input, problems[place]) : found.shift()));
  }

  async #asked(texts, signal) {
    try {
      return await this.ask(texts, signal);
    } catch (problem) {
      if (problem.status !== 413 && problem.status !== 422) throw problem;
      if (problem.errors.length === texts.length) return texts.map((input, place) => unread(input, problem.errors[place].detail));
      if (texts.length === 1) return [unread(texts[0], problem.message)];
      const half = texts.length >> 1; // long ones together are too much for one request
      return [...(await this.#asked(texts.slice(0, half), signal)), ...(await this.#asked(texts.slice(half), signal))];
    }
  }
}

function unread(input, error) {
  return { input, modality: "text", items: [], error };
}

/** The languages that were not read, each with how many texts are in it, the most frequent first. */
function languages(failed) {
  const counts = new Map();
  for (const [, name] of failed.map(({ error }) => /^language (\S+) is not read by /.exec(error)).filter(Boolean)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1]);
}

function counted(results) {
  const counts = new Map();
  for (const { label, emoji } of results) if (label) counts.set(`${emoji} ${label}`, (counts.get(`${emoji} ${label}`) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1]).map(([label, count]) =>
    el("li", {}, `${label} `, el("b", {}, count.toLocaleString("en")), el("span", { class: "soft" }, ` ${((100 * count) / results.length).toFixed(1)}%`)));
}

/** The column that is called as texts are; else the one with the most letters. */
function columnOf(names, rows) {
  const known = NAMES.map((name) => names.findIndex((one) => one.trim().toLowerCase() === name)).find((place) => place >= 0);
  if (known !== undefined) return known;
  const letters = names.map((_, place) => rows.slice(0, 100).reduce((sum, row) => sum + (row[place]?.match(/\p{L}/gu)?.length ?? 0), 0));
  return letters.indexOf(Math.max(...letters));
}

/** Rows of cells of CSV, with commas, semicolons or tabs, as the first line has most of. */
export function parseTable(text, name = "the table") {
  const bare = text.replace(/^\ufeff/, "");
  const first = bare.split(/\r?\n/, 1)[0];
  const separator = [",", ";", "\t"].reduce((best, one) => (first.split(one).length > first.split(best).length ? one : best));
  const rows = [];
  let [row, cell, quoted] = [[], "", false];
  const close = () => {
    row.push(cell);
    cell = "";
  };
  for (let at = 0; at < bare.length; at++) {
    const sign = bare[at];
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (bare[at + 1] === '"') cell += bare[++at];
      else quoted = false;
    } else if (sign === '"' && cell === "") {
      quoted = true;
    } else if (sign === separator) {
      close();
    } else if (sign === "\n") {
      cell = cell.replace(/\r$/, "");
      close();
      if (row.length > 1 || row[0] !== "") rows.push(row);
      row = [];
    } else {
      cell += sign;
    }
  }
  if (quoted) throw new Error(`${name}: a quote is never closed`);
  if (cell || row.length) {
    close();
    rows.push(row);
  }
  const wrong = rows.findIndex((one) => one.length > rows[0].length);
  if (wrong > 0) throw new Error(`${name}: row ${wrong + 1} has ${rows[wrong].length} cells, and the head has ${rows[0].length}`);
  return rows;
}
