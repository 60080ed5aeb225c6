/** Where files are chosen, pasted or given. */

import { el, svg } from "./dom.js";

let count = 0;

/**
 * A zone for files. The page gives the panel that it stands in what is dropped, by the event `mien-files`.
 *
 * @param {HTMLElement} panel
 * @param {object} options
 * @param {string} options.accept kinds of files
 * @param {string} options.title
 * @param {string} options.hint
 * @param {number} [options.most] files that are taken at once
 * @param {(files: File[], given: number) => void} options.take the first of so many that were given
 */
export function dropZone(panel, { accept, title, hint, most = 1, take }) {
  const input = el("input", { type: "file", class: "hidden", id: `files-${++count}`, accept, multiple: most > 1 });
  const words = el("span", { class: "drop-title" }, title);
  const zone = el("label", { class: "drop", for: input.id }, icon(), words, el("span", { class: "soft" }, hint));
  const wrap = el("div", { class: "drop-wrap" }, input, zone);
  const give = (files) => {
    if (!files.length) return;
    wrap.classList.add("small");
    take([...files].slice(0, most), files.length);
  };
  input.addEventListener("change", () => {
    give(input.files);
    input.value = ""; // so that the same file can be chosen again
  });
  panel.addEventListener("mien-files", ({ detail }) => give(detail));
  document.addEventListener("paste", (event) => {
    if (!panel.hidden && event.clipboardData?.files.length) give(event.clipboardData.files);
  });
  return wrap;
}

function icon() {
  const arrow = svg("path", { d: "M12 15V4m0 0L7.5 8.5M12 4l4.5 4.5M4 15v3a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-3" });
  return el("span", { class: "drop-icon", "aria-hidden": "true" }, svg("svg", { viewBox: "0 0 24 24" }, arrow));
}
