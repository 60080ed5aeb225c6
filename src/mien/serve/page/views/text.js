/** Text: emotions that move as one types, and sentence by sentence. */

import { debounce, el, shownLabel } from "../dom.js";
import { coloredWords } from "../explained.js";
import { dropZone } from "../drop.js";
import { Notice } from "../notice.js";
import { Options } from "../options.js";
import { TextTable } from "../texts.js";
import "../widget.js";

const FIRST =
  "I can't believe you drove all night just to be here. I was so scared I'd have to do this alone. Thank you, truly.";
const EXPLAINED = 2000; // characters of a text whose words are explained
const EXAMPLES = [
  "i feel so loved today",
  "Oh great, the train is late again. Third time this week!",
  "wait, you two know each other?! 😳",
  "I miss her every single day.",
];

export function start(panel, page) {
  const words = el("textarea", { id: "words", value: FIRST, maxLength: 20000, rows: 4, spellcheck: false });
  const reading = el("mien-text", { for: "words", class: "reading", shown: "8" });
  reading.key = page.mien.key;
  const sentences = el("ol", { class: "sentences card", "aria-label": "Sentence by sentence" });
  const examples = EXAMPLES.map((text) => el("button", { class: "chip", type: "button" }, text));
  const options = new Options(page, ["text"], {
    command: `curl SERVER/v1/text -H 'Content-Type: application/json' \\\n  -d '{"inputs": ["i feel so loved today"]}'`,
    changed: () => {
      reading.setAttribute("model", options.chosen.model);
      reading.setAttribute("labels", options.chosen.labels);
      table.again();
    },
  });
  const all = el("button", { class: "chip", type: "button", "aria-pressed": "false" }, "all labels");
  all.addEventListener("click", () => {
    const on = all.getAttribute("aria-pressed") !== "true";
    all.setAttribute("aria-pressed", String(on));
    reading.setAttribute("shown", on ? "99" : "8");
  });
  const which = el("button", { class: "chip", type: "button", "aria-pressed": "true" }, "which words?");
  which.addEventListener("click", () => {
    which.setAttribute("aria-pressed", String(which.getAttribute("aria-pressed") !== "true"));
    explain();
  });
  const because = el("div", { class: "card why", hidden: true });
  const write = el("div", { class: "card write" }, el("label", { for: "words", class: "soft" }, "Write anything in English"), words);
  const read = el("div", { class: "card read" }, reading, el("div", { class: "line after" }, which, all));
  const tries = el("div", { class: "line examples", role: "group", "aria-label": "Examples" }, ...examples);
  const whole = el("div", { class: "two writing" }, write, read, el("div", { class: "stack" }, because, sentences, tries));
  const notice = new Notice();
  const table = new TextTable({
    ask: (texts, signal) => page.mien.text(texts, { ...options.chosen, signal }),
    failed: (problem) => notice.tell(problem),
  });
  const zone = dropZone(panel, {
    accept: ".csv,.tsv,.txt,text/csv,text/plain",
    title: "Many texts? Drop a table, or choose one",
    hint: "CSV, TSV, or a text on each line (.txt).",
    take: ([file]) => {
      notice.clear();
      table.open(file);
    },
  });
  zone.classList.add("small", "many-texts");
  panel.append(el("h1", { class: "hidden" }, "Emotion in text"), whole, zone, notice.element, table.element, options.element);

  for (const example of examples) {
    example.addEventListener("click", () => {
      reading.value = example.textContent;
      words.focus();
    });
  }
  let [asking, latest, explaining] = [null, null, null];
  const explainSoon = debounce(explain, 300); // not at every letter: each word costs a reading

  async function explain() {
    explaining?.abort();
    const item = latest?.result?.items[0];
    const wanted = which.getAttribute("aria-pressed") === "true" && item?.label && latest.result.input.length <= EXPLAINED;
    because.hidden = !wanted;
    if (!wanted) return;
    const { input } = latest.result;
    explaining = new AbortController();
    try {
      const [result] = await page.mien.text([input], { ...options.chosen, explain: true, signal: explaining.signal });
      const [told] = result.items;
      because.replaceChildren(coloredWords(input, told.explanation, latest.palette.find(({ name }) => name === told.label)?.color));
    } catch {
      because.hidden = true; // whatever is wrong, the reading itself says it
    }
  }

  reading.addEventListener("mien-result", async ({ detail: { result, palette } }) => {
    const item = result?.items[0];
    latest = { result, palette };
    if (item) explainSoon();
    else explain();
    page.mood(palette.find((label) => label.name === item?.label)?.color);
    asking?.abort();
    asking = new AbortController();
    const parts = item ? split(result.input) : [];
    if (parts.length < 2) return sentences.replaceChildren();
    try {
      const results = await page.mien.text(parts, { ...options.chosen, signal: asking.signal });
      sentences.replaceChildren(...results.map((one, place) => sentence(parts[place], one, palette)));
    } catch {
      sentences.replaceChildren(); // whatever is wrong, the reading itself says it
    }
  });
  reading.addEventListener("mien-problem", ({ detail }) => {
    if (detail.status === 401) document.dispatchEvent(new CustomEvent("mien-key"));
  });
  document.addEventListener("mien-connected", () => (reading.key = page.mien.key));
  return { enter: () => reading.refresh() };
}

function sentence(text, result, palette) {
  const item = result.items[0];
  const color = palette.find((label) => label.name === item?.label)?.color ?? "transparent";
  const words = el("span", { class: "words" }, text);
  words.style.setProperty("--color", color);
  return el("li", {}, el("span", { class: "emoji", "aria-hidden": "true" }, item?.emoji ?? "·"), words,
    el("span", { class: "soft" }, shownLabel(item)));
}

/** Sentences with letters in them, at most twenty. */
function split(text) {
  const parts = Intl.Segmenter
    ? [...new Intl.Segmenter("en", { granularity: "sentence" }).segment(text)].map((part) => part.segment)
    : text.split(/(?<=[.!?…])\s+/);
  return parts.map((part) => part.trim()).filter((part) => /\p{L}/u.test(part)).slice(0, 20);
}
