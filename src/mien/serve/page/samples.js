/** Samples to click, where one has no file at hand: drawn people, and a drawn clip. */

import { el } from "./dom.js";

const PEOPLE = { name: "people.png", type: "image/png", words: "Drawn people", picture: true };
const MOODS = { name: "moods.mp4", type: "video/mp4", words: "A drawn clip, 7 s" };

export const SAMPLES = { pictures: [PEOPLE], clips: [MOODS] };

/**
 * Buttons that give their file to the panel, as if it had been dropped there.
 *
 * @param {HTMLElement} panel
 * @param {{name: string, type: string, words: string, picture?: boolean}[]} samples
 * @param {(problem: Error) => void} failed
 */
export function sampleButtons(panel, samples, failed) {
  const buttons = samples.map(({ name, type, words, picture }) => {
    const image = picture ? [el("span", { class: "sample-picture" })] : [];
    image[0]?.style.setProperty("background-image", `url("samples/${name}")`);
    const button = el("button", { class: "chip sample", type: "button" }, ...image, words);
    button.addEventListener("click", async () => {
      try {
        const answer = await fetch(new URL(`samples/${name}`, location.href));
        if (!answer.ok) throw new Error(`the sample ${name} is not there`);
        const file = new File([await answer.blob()], name, { type });
        panel.dispatchEvent(new CustomEvent("mien-files", { detail: [file] }));
      } catch (problem) {
        failed(problem);
      }
    });
    return button;
  });
  return el("div", { class: "line samples", role: "group", "aria-label": "Samples" }, el("span", { class: "soft" }, "Nothing at hand?"), ...buttons);
}
