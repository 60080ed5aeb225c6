/** Faces in pictures: boxes over the picture, and a card for each face. */

import { Asking } from "../asking.js";
import { el } from "../dom.js";
import { dropZone } from "../drop.js";
import { Notice } from "../notice.js";
import { Options } from "../options.js";
import { colorOf, inWords, PersonCard, saveLink } from "../people.js";
import { Stage } from "../stage.js";

export function start(panel, page) {
  const notice = new Notice();
  const image = el("img", { alt: "" });
  const stage = new Stage(image);
  const people = el("ul", { class: "people" });
  const summary = el("p", { class: "summary" });
  const save = saveLink();
  const shown = el("div", { class: "two", hidden: true }, el("div", { class: "card flush" }, stage.element),
    el("div", { class: "stack" }, el("div", { class: "line between" }, summary, save.element), people));
  const asking = new Asking(panel, notice);
  let file = null;
  const options = new Options(page, ["face"], {
    command: "curl SERVER/v1/face -F file=@party.jpg",
    changed: () => file && read(file),
  });
  const zone = dropZone(panel, {
    accept: "image/*",
    title: "Drop a picture, or choose one",
    hint: "All faces in it are read. Pasting works too.",
    take: ([one]) => read(one),
  });
  panel.append(el("h1", { class: "hidden" }, "Emotion in faces"), notice.element, zone, shown, options.element);

  function read(one) {
    file = one;
    return asking.run(async (signal) => {
      shown.hidden = false;
      stage.clear();
      people.replaceChildren();
      save.offer(null);
      summary.textContent = "Looking for faces…";
      URL.revokeObjectURL(image.src);
      image.src = URL.createObjectURL(one);
      image.alt = one.name || "The picture";
      const seen = image.decode().then(() => true, () => false);
      const [[result], palette, visible] = await Promise.all([
        page.mien.files("face", [one], { ...options.chosen, signal }), options.palette(), seen,
      ]);
      show(result, palette, visible);
    }, () => (shown.hidden = true));
  }

  function show(result, palette, visible) {
    const { items } = result;
    const { naturalWidth: width, naturalHeight: height } = image;
    const draw = (on = -1) =>
      stage.show(items.map((item, place) => ({
        key: String(place), box: item.box, emoji: item.emoji, label: item.label, color: colorOf(palette, item.label), on: place === on,
      })), width, height);
    if (visible) draw();
    else notice.tell("This browser cannot show this kind of picture; the server could read it.", true);
    people.replaceChildren(...items.map((item, place) => {
      const card = new PersonCard({ title: items.length > 1 ? `Face ${place + 1}` : "Face", palette, shown: items.length > 2 ? 3 : 0 });
      card.show(item);
      if (visible) card.cut(image, item.box, width, height);
      card.element.addEventListener("pointerenter", () => visible && draw(place));
      card.element.addEventListener("pointerleave", () => visible && draw());
      return card.element;
    }));
    people.classList.toggle("many", items.length > 2);
    const count = items.length === 1 ? "One face" : `${items.length} faces`;
    summary.textContent = items.length ? count : "There is no face in this picture.";
    page.say(items.length ? `${count}: ${inWords(items)}` : summary.textContent);
    page.mood(items.length ? colorOf(palette, result.label) : null);
    save.offer(result);
  }
}
