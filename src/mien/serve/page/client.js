/**
 * A client of `mien serve`, for browsers and Node (18 or newer; live frames from 22 on). It stands alone: copy it, or
 * import it from a server that allows your page (`mien serve --origin https://your.page`).
 *
 *   import { Mien } from "http://127.0.0.1:8000/client.js";
 *   const mien = new Mien();
 *   const [result] = await mien.text(["i feel so loved today"]);
 *   const [seen] = await mien.files("face", [file]);
 */

/** Why the server did not answer: one sentence in `message`, the status of HTTP (0: it was not reached). */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {number | null} retryAfter seconds, where the server says when to come again
   * @param {{where: string, detail: string}[]} errors what is wrong with each of the inputs, of up to twenty
   */
  constructor(status, detail, retryAfter = null, errors = []) {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.retryAfter = retryAfter;
    this.errors = errors;
  }
}

const HERE = import.meta.url.startsWith("http") ? new URL(".", import.meta.url).href : "http://127.0.0.1:8000/";

export class Mien {
  #cards = new Map();
  #server = "";

  /**
   * @param {object} [options]
   * @param {string} [options.server] its address; by default where this module came from
   * @param {string} [options.key] the API key, where the server wants one
   * @param {number} [options.tries] how often a busy server is asked in all, waiting as long as it says
   * @param {(seconds: number) => void} [options.onWait] told before each wait
   */
  constructor({ server = HERE, key = "", tries = 5, onWait = () => {} } = {}) {
    Object.assign(this, { server, key, tries, onWait });
  }

  /** The server's address, with a slash at its end: what is asked stands below it. */
  get server() {
    return this.#server;
  }

  set server(address) {
    this.#server = address.endsWith("/") ? address : `${address}/`;
    this.#cards.clear();
  }

  /** The models that are served: name, modality, labels, ratings, figures. */
  async models({ signal } = {}) {
    return (await this.#ask("v1/models", { signal })).models;
  }

  /** One model with its card and the labels of every space that it answers in; kept once it is there. */
  async card(name) {
    if (!this.#cards.has(name)) {
      this.#cards.set(name, await this.#ask(`v1/models/${encodeURIComponent(name)}`));
    }
    return this.#cards.get(name);
  }

  /**
   * Results of texts, in their order.
   *
   * @param {string[]} inputs
   * @param {{model?: string, labels?: string, explain?: boolean, language?: string, signal?: AbortSignal}} [options] `explain`: items
   *   say which words it was; `language`: what the texts are written in, or "any", where they are not to tell it
   */
  async text(inputs, { signal, ...options } = {}) {
    const body = JSON.stringify({ inputs, ...given(options) });
    return (await this.#ask("v1/text", { body, signal, headers: { "Content-Type": "application/json" } })).results;
  }

  /**
   * Results of pictures or clips, in their order.
   *
   * @param {"face" | "video" | "scene"} kind
   * @param {(File | Blob)[]} files
   * @param {{model?: string, labels?: string, explain?: boolean, all_faces?: boolean, signal?: AbortSignal, onSent?: (share: number) => void}} [options]
   *   `all_faces`: faces count, too, that could not be seen well enough; in browsers `onSent` is told how much is sent, 0 to 1; 1 comes last
   */
  async files(kind, files, { signal, onSent, ...options } = {}) {
    const body = new FormData();
    files.forEach((file) => body.append("file", file, file.name ?? "file"));
    Object.entries(given(options)).forEach(([name, value]) => body.append(name, value));
    return (await this.#ask(`v1/${kind}`, { body, signal, onSent })).results;
  }

  /**
   * A WebSocket for a camera's frames: send Blobs or ArrayBuffers of JPEGs; a message for each that was read comes back.
   *
   * @param {{model?: string, labels?: string, smooth?: number, all_faces?: boolean}} [options]
   * @returns {WebSocket} its `onmessage` gets JSON: {model, frame, dropped, people, results: [result]}
   */
  live(options = {}) {
    if (!globalThis.WebSocket) throw new Problem(0, "live frames need a WebSocket: a browser, or Node 22 or newer");
    const address = new URL("v1/live", this.server);
    address.protocol = address.protocol.replace("http", "ws");
    address.search = new URLSearchParams(given(options)).toString();
    const socket = new WebSocket(address);
    if (this.key) socket.addEventListener("open", () => socket.send(JSON.stringify({ key: this.key })));
    return socket;
  }

  async #ask(path, { body, headers = {}, signal, onSent } = {}) {
    const method = body === undefined ? "GET" : "POST";
    const all = this.key ? { ...headers, Authorization: `Bearer ${this.key}` } : headers;
    for (let left = this.tries - 1; ; left--) {
      let answer;
      try {
        const send = onSent && globalThis.XMLHttpRequest ? sendTold : fetch;
        answer = await send(new URL(path, this.server), { method, body, signal, headers: all, onSent });
      } catch (error) {
        if (signal?.aborted) throw error;
        throw new Problem(0, `the server at ${this.server} cannot be reached`);
      }
      if (answer.ok) return answer.json();
      const problem = await problemOf(answer);
      if (answer.status !== 503 || problem.retryAfter === null || left <= 0) throw problem;
      this.onWait(problem.retryAfter);
      await pause(problem.retryAfter, signal);
    }
  }
}

/** As `fetch`, which cannot tell how much is sent. */
function sendTold(address, { method, body, signal, headers, onSent }) {
  return new Promise((done, stop) => {
    signal?.throwIfAborted();
    const request = new XMLHttpRequest();
    request.open(method, address);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => loaded < total && onSent(loaded / total));
    request.upload.addEventListener("load", () => onSent(1));
    request.addEventListener("error", () => stop(new TypeError("the request failed")));
    request.addEventListener("load", () => {
      const again = request.getResponseHeader("Retry-After");
      done(new Response(request.response, { status: request.status, headers: again ? { "Retry-After": again } : {} }));
    });
    signal?.addEventListener("abort", () => {
      request.abort();
      stop(signal.reason);
    });
    request.send(body);
  });
}

function given(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== ""));
}

async function problemOf(answer) {
  const stated = Number.parseFloat(answer.headers.get("Retry-After") ?? "");
  let [detail, errors] = [`the server answered ${answer.status}`, []];
  try {
    const told = await answer.json();
    [detail, errors] = [told.detail ?? detail, told.errors ?? errors];
  } catch {
    // not from mien, but from something before it, such as a proxy
  }
  return new Problem(answer.status, detail, Number.isFinite(stated) ? stated : null, errors);
}

function pause(seconds, signal) {
  return new Promise((done, stop) => {
    const timer = setTimeout(done, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      stop(signal.reason);
    });
  });
}
