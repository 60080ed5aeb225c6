/** Where files are dropped, pasted or chosen. */

import { el, svg } from "./dom.js";

let count = 0;

/**
 * A zone for files. The panel that it stands in takes drops and pastes as a whole.
 *
 * @param {HTMLElement} panel
 * @param {{accept: string, title: string, hint: string, multiple?: boolean, take: (files: File[]) => void}} options
 */
export function dropZone(panel, { accept, title, hint, multiple = false, take }) {
  const input = el("input", { type: "file", class: "hidden", id: `files-${++count}`, accept, multiple });
  const words = el("span", { class: "drop-title" }, title);
  const zone = el("label", { class: "drop", for: input.id }, icon(), words, el("span", { class: "soft" }, hint));
  const wrap = el("div", { class: "drop-wrap" }, input, zone);
  const give = (files) => {
    const some = [...files].slice(0, multiple ? 12 : 1);
    if (!some.length) return;
    wrap.classList.add("small");
    take(some);
  };
  input.addEventListener("change", () => {
    give(input.files);
    input.value = ""; // so that the same file can be chosen again
  });
  const over = (is) => (event) => {
    event.preventDefault();
    panel.classList.toggle("over", is);
  };
  panel.addEventListener("dragover", over(true));
  panel.addEventListener("dragleave", over(false));
  panel.addEventListener("drop", (event) => {
    over(false)(event);
    give(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    if (!panel.hidden && event.clipboardData?.files.length) give(event.clipboardData.files);
  });
  return wrap;
}

function icon() {
  const arrow = svg("path", { d: "M12 15V4m0 0L7.5 8.5M12 4l4.5 4.5M4 15v3a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-3" });
  return el("span", { class: "drop-icon", "aria-hidden": "true" }, svg("svg", { viewBox: "0 0 24 24" }, arrow));
}
