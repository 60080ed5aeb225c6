/** The page: tabs, theme, key, and the views, each started when it is first looked at. */

import { aboutDialog } from "./cards.js";
import { Mien, Problem } from "./client.js";
import { Notice, nothing } from "./notice.js";

/** Tab → what it reads, types of the files that it takes (`alone`: and no others), and its module. */
const VIEWS = {
  text: { kinds: ["text"], files: /^text\/|csv|ms-excel/, alone: true, load: (again) => import(`./views/text.js${again}`) },
  faces: { kinds: ["face"], files: /^image\//, load: (again) => import(`./views/faces.js${again}`) },
  clip: { kinds: ["video"], files: /^video\//, load: (again) => import(`./views/clip.js${again}`) },
  camera: { kinds: ["face", "scene"], load: (again) => import(`./views/camera.js${again}`) },
  scene: { kinds: ["scene"], files: /^image\//, load: (again) => import(`./views/scene.js${again}`) },
};

const byId = (id) => document.getElementById(id);
const store = (() => {
  try {
    return window.sessionStorage;
  } catch {
    return null; // storage is off
  }
})();

const notice = new Notice();
notice.element.id = "problem";
byId("problem").replaceWith(notice.element);

/** What views get to work with. */
const page = {
  mien: new Mien({
    server: new URL(".", location.href).href,
    key: store?.getItem("mien-key") ?? "",
    onWait: (seconds) => {
      notice.tell(`The server is busy; asking again in ${seconds} s.`, true);
      setTimeout(() => notice.clear(), seconds * 1000);
    },
  }),
  models: [],
  about: () => {},
  say,
  mood,
};
page.about = aboutDialog(page);

/** Tells screen readers. */
function say(text) {
  byId("said").textContent = text;
}

/** The colour that the page takes on. */
function mood(color) {
  document.documentElement.style.setProperty("--mood", color ?? "#d9a441");
}

// ------------------------------------------------------------------------------------------------------------- tabs

const started = {};
const failed = {}; // how often a view did not come
let current = null;

function open(name, focus = false) {
  const known = Object.hasOwn(VIEWS, name) ? name : "text";
  for (const tab of document.querySelectorAll('[role="tab"]')) {
    const is = tab.id === `tab-${known}`;
    tab.setAttribute("aria-selected", String(is));
    tab.tabIndex = is ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !is;
    if (is && focus) tab.focus();
  }
  if (location.hash.slice(1) !== known) history.replaceState(null, "", `#${known}`);
  if (current && current !== known) started[current]?.leave?.();
  current = known;
  return start(known);
}

const isServed = (name) => page.models.some((model) => VIEWS[name].kinds.includes(model.modality));

async function start(name) {
  if (started[name] || !page.ready) return void started[name]?.enter?.();
  const { kinds, load } = VIEWS[name];
  started[name] = {};
  if (!isServed(name)) {
    byId(`panel-${name}`).replaceChildren(nothing(kinds));
    return;
  }
  let view;
  try {
    view = await load(failed[name] ? `?${failed[name]}` : ""); // a browser may keep to what failed under an address
  } catch {
    delete started[name]; // it is tried again when it is next looked at
    failed[name] = (failed[name] ?? 0) + 1;
    return void notice.tell(new Problem(0, "a part of the page did not come"));
  }
  notice.clear();
  started[name] = view.start(byId(`panel-${name}`), page) ?? {};
}

const nameOf = (tab) => tab.id.replace("tab-", "");
const tabs = [...document.querySelectorAll('[role="tab"]')];
for (const [place, tab] of tabs.entries()) {
  tab.addEventListener("click", () => open(nameOf(tab)));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    open(nameOf(tabs.at(to % tabs.length)), true);
  });
}
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // its address would be taken for that of a tab
  byId("main").focus();
});
window.addEventListener("hashchange", () => open(location.hash.slice(1)));

// ------------------------------------------------------------------------------------------------------------ files

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
const showOver = (is) => byId(`panel-${current}`).classList.toggle("over", is);
document.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault(); // the browser would leave the page for the file
  showOver(true);
});
document.addEventListener("dragleave", (event) => event.relatedTarget || showOver(false));
document.addEventListener("drop", async (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  showOver(false);
  const files = [...event.dataTransfer.files]; // gone once this returns
  if (!files.length || !page.ready) return;
  const able = Object.keys(VIEWS).filter((name) => VIEWS[name].files?.test(files[0].type) && isServed(name));
  const name = able.includes(current) || !able.length ? current : able[0];
  if (!VIEWS[name].files || (VIEWS[name].alone && !able.length)) return notice.tell(`Nothing here reads ${files[0].name}.`, true);
  notice.clear();
  await open(name);
  const fit = files.filter((file) => VIEWS[name].files.test(file.type));
  byId(`panel-${name}`).dispatchEvent(new CustomEvent("mien-files", { detail: fit.length ? fit : files }));
});

// ------------------------------------------------------------------------------------------------------------ theme

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
const showTheme = () => byId("theme").setAttribute("aria-pressed", String(isDark()));
byId("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("mien-theme", document.documentElement.dataset.theme);
  } catch {
    // it then holds until the page is left
  }
  showTheme();
});
dark.addEventListener("change", showTheme);
showTheme();

// -------------------------------------------------------------------------------------------------------- key, about

byId("about-button").addEventListener("click", () => page.about());
byId("models-link").addEventListener("click", (event) => {
  event.preventDefault(); // the address itself may want a key
  page.about();
});

function askKey() {
  byId("key-form").hidden = false;
  byId("key-button").hidden = false;
  byId("key").focus();
}

document.addEventListener("mien-key", () => {
  askKey();
  if (page.mien.key) notice.tell("This is not the key.");
});
byId("key-button").addEventListener("click", askKey);
byId("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  page.mien.key = byId("key").value;
  if (await connect()) {
    store?.setItem("mien-key", page.mien.key);
    byId("key").value = "";
    byId("key-form").hidden = true;
    document.querySelector('[role="tab"][aria-selected="true"]').focus();
  }
});

// ------------------------------------------------------------------------------------------------------------ start

async function connect() {
  try {
    page.models = await page.mien.models();
  } catch (problem) {
    notice.tell(problem);
    if (problem.status === 0) setTimeout(connect, 3000); // it may come back
    return false;
  }
  notice.clear();
  byId("key-button").hidden = !page.mien.key;
  page.ready = true;
  document.dispatchEvent(new CustomEvent("mien-connected"));
  await start(current);
  return true;
}

open(location.hash.slice(1));
connect();
