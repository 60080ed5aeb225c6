/** Whole pictures: ratings as a point on a plane, labels with bars. Several pictures stand on the plane together. */

import { Asking } from "../asking.js";
import { el, percent, shownLabel, shownLabels } from "../dom.js";
import { dropZone } from "../drop.js";
import { foldedTable, Gallery } from "../gallery.js";
import { Notice } from "../notice.js";
import { Options } from "../options.js";
import { colorOf } from "../people.js";
import { Plane, planeColor, planeWords } from "../plane.js";
import { sampleButtons, SAMPLES } from "../samples.js";
import { drawn, Save } from "../save.js";
import { Stage } from "../stage.js";

const KEPT = 12; // pictures

export function start(panel, page) {
  const notice = new Notice();
  const image = el("img", { alt: "" });
  const stage = new Stage(image);
  const gallery = new Gallery(choose);
  const all = el("div");
  const kept = el("p", { class: "soft", hidden: true });
  const summary = el("p", { class: "summary" });
  const save = new Save({ picture: draw });
  const side = el("div", { class: "card" });
  const shown = el("div", { class: "two", hidden: true }, el("div", { class: "stack" }, el("div", { class: "card flush" }, stage.element), gallery.element, kept, all),
    el("div", { class: "stack" }, summary, side, save.element));
  const asking = new Asking(panel, notice);
  let [pictures, plane, bars, palette, boxes] = [[], null, null, [], []];
  const options = new Options(page, ["scene"], {
    command: "curl SERVER/v1/scene -F file=@street.jpg",
    changed: () => pictures.length && read(pictures.splice(0).map((picture) => picture.file)),
  });
  const zone = dropZone(panel, {
    accept: "image/*",
    most: KEPT,
    title: "Drop pictures, or choose some",
    hint: "A street, a room, a landscape: what mood is it in?",
    take: read,
  });
  panel.append(el("h1", { class: "hidden" }, "The mood of a scene"), notice.element, zone,
    sampleButtons(panel, SAMPLES.pictures, (problem) => notice.tell(problem)), shown, options.element);

  function read(files, given = files.length) {
    return asking.run(async (signal) => {
      const [results, labels] = await Promise.all([
        page.mien.files("scene", files, { ...options.chosen, signal }), options.palette(),
      ]);
      if (labels !== palette || !plane) build(labels);
      const read = results.map((result, place) => ({ result, file: files[place] })).filter(({ result }) => result.items.length);
      const failed = results.filter((result) => result.error);
      const all = [...pictures, ...read.map((one) => ({ ...one, url: URL.createObjectURL(one.file) }))];
      pictures = all.slice(-KEPT);
      const left = given > files.length ? `Only the first ${files.length} of ${given} pictures were read.` : "";
      kept.textContent = left || `The last ${KEPT} pictures are kept here.`;
      kept.hidden = !left && all.length <= KEPT;
      if (failed.length) notice.tell(new Error(failed.map(({ input, error }) => error.replace(/^the file\b/, input)).join("; ")));
      if (read.length) choose(pictures.at(-1));
    }, () => (shown.hidden = !pictures.length));
  }

  function build(labels) {
    palette = labels;
    plane = options.info.ratings.length ? new Plane(options.info.ratings) : null;
    bars = palette.length ? el("mien-bars", { palette }) : null;
    bars?.setAttribute("shown", "10");
    side.replaceChildren(...[plane?.element, bars].filter(Boolean));
  }

  function choose(picture) {
    const { result, url } = picture;
    const [item] = result.items;
    shown.hidden = false;
    image.src = url;
    image.alt = result.input;
    save.picture.hidden = true;
    image.decode().then(() => {
      save.picture.hidden = false;
      boxes = result.items.filter(({ box }) => box).map((one, place) => // of models that read people
        ({ key: String(place), box: one.box, emoji: one.emoji, label: shownLabel(one), share: "", color: colorOf(palette, one.label) }));
      stage.show(boxes, image.naturalWidth, image.naturalHeight);
    }, () => notice.tell("This browser cannot show this kind of picture; the server could read it.", true));
    gallery.show(pictures, picture);
    all.replaceChildren(...(pictures.length > 1 ? [foldedTable(pictures.map((one) => one.result), "picture")] : []));
    plane?.show(pictures.map((one) => ({ ratings: one.result.items[0].ratings ?? {}, on: one === picture, picture: one.url })));
    if (bars) bars.prediction = item;
    const said = item.label ? item.labels.map((name) => `${name} ${percent(item.scores[name])}`).join(", ") : "";
    summary.textContent = item.label ? `${item.emoji} ${shownLabels(item)}` : planeWords(item.ratings ?? {}, options.info.ratings) || result.input;
    page.say([result.input, said, plane?.words.textContent].filter(Boolean).join(": "));
    page.mood(item.label ? colorOf(palette, item.label) : planeColor(item.ratings ?? {}, options.info.ratings));
    save.offer(pictures.map((one) => one.result));
  }

  /** The picture with boxes, or with what it conveys in its corner. */
  function draw() {
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const words = { box: [-9, -9, -9, -9], label: summary.textContent, share: "", color: "transparent" };
    return drawn(image, width, height, boxes.length ? boxes : [words]);
  }
}
