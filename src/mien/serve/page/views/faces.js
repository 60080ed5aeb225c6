/** Faces in pictures: boxes over the picture, and a card for each face; several pictures one by one and in a table. */

import { Asking } from "../asking.js";
import { counts, el, percent, shownLabel, uncounted } from "../dom.js";
import { dropZone } from "../drop.js";
import { foldedTable, Gallery } from "../gallery.js";
import { Notice } from "../notice.js";
import { Options } from "../options.js";
import { colorOf, inWords } from "../people.js";
import { PictureResult } from "../picture.js";
import { sampleButtons, SAMPLES } from "../samples.js";
import { drawn, Save } from "../save.js";

const MOST = 50; // pictures at once
const EACH = 5; // of a request

export function start(panel, page) {
  const notice = new Notice();
  const image = el("img", { alt: "" });
  const summary = el("p", { class: "summary" });
  const save = new Save({ picture: draw });
  const where = el("button", { class: "chip", type: "button", "aria-pressed": "false" }, "which region?");
  const gallery = new Gallery(choose);
  const all = el("div");
  const picture = new PictureResult(image, el("div", { class: "line between" }, summary, where), gallery.element, save.element);
  const shown = el("div", { class: "stack", hidden: true }, picture.element, all);
  const asking = new Asking(panel, notice);
  let [pictures, current, palette] = [[], null, []];
  let files = [];
  where.addEventListener("click", () => {
    where.setAttribute("aria-pressed", String(where.getAttribute("aria-pressed") !== "true"));
    if (files.length) read(files);
  });
  const options = new Options(page, ["face"], {
    command: "curl SERVER/v1/face -F file=@party.jpg",
    changed: () => files.length && read(files),
  });
  const zone = dropZone(panel, {
    accept: "image/*",
    most: MOST,
    title: "Drop pictures, or choose some",
    hint: "All faces in them are read. Pasting works too.",
    take: (some, given) => read(some, given),
  });
  const samples = sampleButtons(panel, SAMPLES.pictures, (problem) => notice.tell(problem));
  panel.append(el("h1", { class: "hidden" }, "Emotion in faces"), notice.element, zone, samples, shown, options.element);

  function read(some, given = some.length) {
    files = some;
    return asking.run(async (signal) => {
      shown.hidden = false;
      picture.clear();
      save.offer([]);
      all.replaceChildren();
      gallery.show([]);
      pictures.forEach(({ url }) => URL.revokeObjectURL(url));
      pictures = [];
      summary.textContent = "Looking for faces…";
      const before = some.map((file) => ({ file, url: URL.createObjectURL(file) }));
      image.src = before[0].url;
      image.alt = some[0].name || "The picture";
      palette = await options.palette();
      const explain = where.getAttribute("aria-pressed") === "true" || undefined;
      const read = [];
      for (let at = 0; at < before.length; at += EACH) {
        if (at) summary.textContent = `Looking for faces… ${at} of ${before.length} pictures`;
        const part = before.slice(at, at + EACH);
        const found = await page.mien.files("face", part.map(({ file }) => file), { ...options.chosen, explain, signal }).catch((problem) => {
          if (before.length === 1 || problem.status !== 422) throw problem; // of several, the others are shown
          return part.map(({ file }) => ({ input: file.name, modality: "face", items: [], error: problem.message.replace(/^\S+: /, "") }));
        });
        read.push(...part.map((one, place) => ({ ...one, result: found[place] })));
      }
      pictures = read;
      const failed = pictures.filter(({ result }) => result.error);
      const left = given > some.length ? [`only the first ${some.length} of ${given} pictures were read`] : [];
      const told = [...left, ...failed.map(({ result: { input, error } }) => error.replace(/^the file\b/, input))];
      if (told.length) notice.tell(new Error(told.join("; ")));
      const results = pictures.map(({ result }) => result);
      options.offerAll(results.some((result) => uncounted(result.items, result)));
      if (pictures.length > 1) all.replaceChildren(foldedTable(results, "picture"));
      await choose(pictures.find(({ result }) => !result.error) ?? pictures[0]);
      save.offer(results);
    }, () => (shown.hidden = true));
  }

  async function choose(one) {
    current = one;
    const { result, url, file } = one;
    if (image.src !== url) Object.assign(image, { src: url, alt: file.name || "The picture" });
    picture.clear();
    const visible = await image.decode().then(() => true, () => false);
    if (current !== one) return;
    current.visible = visible;
    if (!visible && !result.error) notice.tell("This browser cannot show this kind of picture; the server could read it.", true);
    const { items } = result;
    picture.show(items, { palette, visible });
    gallery.show(pictures, one);
    const left = uncounted(items, result);
    const unsure = left ? `, ${items.length > 1 ? `${left} of them ` : ""}unsure and not counted` : "";
    const count = `${items.length === 1 ? "One face" : `${items.length} faces`}${unsure}`;
    summary.textContent = items.length ? count : result.error ? "This picture could not be read." : "There is no face in this picture.";
    page.say(items.length ? `${count}: ${inWords(items)}` : summary.textContent);
    page.mood(items.some((item) => counts(item, result)) ? colorOf(palette, result.label) : null);
    save.picture.hidden = !visible;
  }

  function draw() {
    if (!current?.visible) return null;
    const boxes = current.result.items.map((item) => ({
      box: item.box, label: shownLabel(item), share: percent(item.score), color: colorOf(palette, item.label), unsure: item.unsure,
    }));
    return drawn(image, image.naturalWidth, image.naturalHeight, boxes, picture.stage.layer);
  }
}
