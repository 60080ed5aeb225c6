/** Faces in pictures: boxes over the picture, and a card for each face. */

import { Asking } from "../asking.js";
import { el } from "../dom.js";
import { dropZone } from "../drop.js";
import { Notice } from "../notice.js";
import { Options } from "../options.js";
import { colorOf, inWords, saveLink } from "../people.js";
import { PictureResult } from "../picture.js";

export function start(panel, page) {
  const notice = new Notice();
  const image = el("img", { alt: "" });
  const summary = el("p", { class: "summary" });
  const save = saveLink();
  const picture = new PictureResult(image, el("div", { class: "line between" }, summary, save.element));
  const shown = picture.element;
  shown.hidden = true;
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
      picture.clear();
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
    if (!visible) notice.tell("This browser cannot show this kind of picture; the server could read it.", true);
    picture.show(items, { palette, visible });
    const count = items.length === 1 ? "One face" : `${items.length} faces`;
    summary.textContent = items.length ? count : "There is no face in this picture.";
    page.say(items.length ? `${count}: ${inWords(items)}` : summary.textContent);
    page.mood(items.length ? colorOf(palette, result.label) : null);
    save.offer(result);
  }
}
