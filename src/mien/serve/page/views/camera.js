/** The camera, live: boxes, smoothed scores, and a strip of the last minute. */

import { counts, el, shownLabel } from "../dom.js";
import { Frames } from "../frames.js";
import { Notice } from "../notice.js";
import { Options } from "../options.js";
import { colorOf, PersonCard } from "../people.js";
import { Plane } from "../plane.js";
import { Stage } from "../stage.js";
import { drawAreas } from "../timeline.js";

const STRIP = 60; // seconds
const MOST = 4; // people with a card each

const REFUSED = {
  NotAllowedError: "The camera was refused. Allow it for this page in the browser, and start it again.",
  NotFoundError: "There is no camera here.",
  NotReadableError: "The camera is in use elsewhere.",
  OverconstrainedError: "That camera is gone.",
};

export function start(panel, page) {
  const notice = new Notice();
  const video = el("video", { muted: true, playsInline: true, autoplay: true, "aria-label": "What the camera sees" });
  const stage = new Stage(video);
  stage.frame.classList.add("mirrored");
  const button = el("button", { class: "strong", type: "button" }, "Start the camera");
  const cameras = el("select", { "aria-label": "Camera" });
  const span = el("span");
  const rate = el("span", { class: "soft" });
  const people = el("ul", { class: "people" });
  const whole = el("div", { class: "stack" });
  const strip = el("canvas", { class: "areas strip", role: "img", "aria-label": "The last minute, as areas in the colours of the emotions" });
  const empty = el("p", { class: "soft" }, "Frames go to this server alone and are not kept.");
  const right = el("div", { class: "stack" }, empty, people, whole);
  const options = new Options(page, ["face", "scene"], { changed: () => stream && connect() });
  const bottom = el("div", { class: "card over-time", hidden: true }, el("div", { class: "line between" }, span, rate), strip);
  const controls = el("div", { class: "line controls" }, button, cameras);
  panel.append(el("h1", { class: "hidden" }, "Emotion before the camera"), notice.element,
    el("div", { class: "two" }, el("div", { class: "card flush" }, stage.element, controls), right), bottom, options.element);
  cameras.hidden = true;
  stage.frame.classList.add("off");
  let [stream, frames, palette, past, last, began, said] = [null, null, [], [], null, 0, ""];
  const cards = new Map(); // by the person's number

  button.addEventListener("click", () => (stream ? stop() : turnOn()));
  cameras.addEventListener("change", () => turnOn(cameras.value));

  async function turnOn(id = "") {
    stop();
    notice.clear();
    if (!navigator.mediaDevices?.getUserMedia) {
      return notice.tell("A browser gives its camera only to pages from https:// or from this machine.");
    }
    button.disabled = true;
    try {
      const wanted = id ? { deviceId: { exact: id } } : { facingMode: "user" };
      stream = await navigator.mediaDevices.getUserMedia({ video: { ...wanted, width: { ideal: 1280 }, height: { ideal: 720 } } });
    } catch (error) {
      notice.tell(REFUSED[error.name] ?? `The camera cannot be used: ${error.message}`);
      return;
    } finally {
      button.disabled = false;
    }
    if (panel.hidden) return stop(); // left while the browser was asking
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => {
      stop();
      notice.tell("The camera was switched off or unplugged.");
    });
    video.srcObject = stream;
    button.textContent = "Stop";
    stage.frame.classList.remove("off");
    stage.frame.classList.toggle("mirrored", track.getSettings().facingMode !== "environment");
    bottom.hidden = false;
    await listCameras(track);
    await connect();
  }

  async function listCameras(track) {
    const found = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
    cameras.replaceChildren(...found.map((device, place) => el("option", { value: device.deviceId }, device.label || `Camera ${place + 1}`)));
    cameras.value = track.getSettings().deviceId ?? "";
    cameras.hidden = found.length < 2;
  }

  async function connect() {
    frames?.stop();
    try {
      palette = await options.palette();
    } catch (problem) {
      return notice.tell(problem);
    }
    [past, last, began] = [[], null, performance.now() / 1000];
    cards.clear();
    people.replaceChildren();
    whole.replaceChildren();
    frames = new Frames({
      connect: () => page.mien.live(options.chosen),
      video,
      onAnswer: show,
      onTrouble: (text) => (text ? notice.tell(text) : notice.clear()),
      onKey: () => {
        stop();
        notice.tell(Object.assign(new Error("key"), { status: 401 }));
      },
    });
    frames.start();
  }

  function stop() {
    frames?.stop();
    stream?.getTracks().forEach((track) => track.stop());
    [frames, stream] = [null, null];
    video.srcObject = null;
    stage.clear();
    stage.frame.classList.add("off");
    button.textContent = "Start the camera";
    rate.textContent = "";
    page.mood(null);
  }

  function show(answer, size) {
    const [result] = answer.results;
    const time = performance.now() / 1000;
    if (last) rate.textContent = `${Math.min(99, 1 / (time - last)).toFixed(0)} readings/s`;
    last = time;
    empty.hidden = true;
    const faces = result.items.map((item, place) => ({ item, key: answer.people[place] }));
    stage.show(faces.filter(({ item }) => item.box).map(({ item, key }) => ({
      key: String(key), box: item.box, emoji: item.emoji, label: shownLabel(item), color: colorOf(palette, item.label),
      unsure: item.unsure,
    })), size.width, size.height);
    if (result.modality === "scene") showScene(result.items[0]);
    else showFaces(faces, size);
    const first = faces[0]?.item;
    past.push({ time, scores: first && counts(first, result) ? first.scores : null });
    past = past.filter((moment) => moment.time > time - STRIP - 1);
    const seconds = Math.min(STRIP, Math.max(12, time - began));
    if (palette.length) drawAreas(strip, past, palette, { from: time - seconds, to: time, gap: 5 });
    span.textContent = seconds < STRIP ? `The last ${Math.round(seconds)} seconds` : "The last minute";
    bottom.hidden = !palette.length;
    page.mood(first?.label ? colorOf(palette, first.label) : null);
    tell(faces);
  }

  function showFaces(faces, { width, height }) {
    const seen = faces.slice(0, MOST);
    for (const { item, key } of seen) {
      if (!cards.has(key)) {
        const card = new PersonCard({ title: `Person ${key}`, palette, fixed: true });
        cards.set(key, card);
        people.append(card.element);
      }
      const card = cards.get(key);
      card.show(item);
      card.cutNow(frames.canvas, item.box, width, height, last);
    }
    for (const [key, card] of cards) {
      if (seen.some((face) => face.key === key)) continue;
      card.element.remove();
      cards.delete(key);
    }
    people.classList.toggle("many", seen.length > 1);
    empty.hidden = seen.length > 0;
    empty.textContent = "No face is in sight.";
  }

  function showScene(item) {
    if (!whole.firstChild) {
      whole.plane = new Plane(options.info.ratings);
      whole.bars = el("mien-bars", { palette });
      whole.bars.setAttribute("shown", 8);
      whole.append(whole.plane.element, whole.bars);
    }
    whole.plane.show([{ ratings: item.ratings ?? {}, on: true }]);
    whole.bars.prediction = item;
  }

  /** To screen readers: only what has changed. */
  function tell(faces) {
    const text = faces.map(({ item }) => shownLabel(item)).filter(Boolean).join(", ") || "nobody in sight";
    if (text === said) return;
    said = text;
    clearTimeout(tell.timer);
    tell.timer = setTimeout(() => text === said && page.say(text), 1200);
  }

  return { leave: stop };
}
