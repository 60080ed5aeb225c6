/** A camera's frames to the server and its answers back, over a connection that is made anew when it is lost. */

const SIDE = 640; // pixels of the longer side of a frame that is sent
const QUALITY = 0.8;
const WAITS = [1, 2, 4, 8, 15]; // seconds before the first, second, … new try

export class Frames {
  /**
   * @param {object} options
   * @param {() => WebSocket} options.connect
   * @param {HTMLVideoElement} options.video
   * @param {(answer: object, size: {width: number, height: number}) => void} options.onAnswer
   * @param {(text: string) => void} options.onTrouble one line; "" once all is well again
   * @param {() => void} options.onKey the server wants a key, or another one
   */
  constructor({ connect, video, onAnswer, onTrouble, onKey }) {
    Object.assign(this, { connect, video, onAnswer, onTrouble, onKey });
    this.canvas = document.createElement("canvas");
    this.lost = 0;
    this.wake = () => document.hidden || this.#send();
  }

  start() {
    this.running = true;
    document.addEventListener("visibilitychange", this.wake);
    this.#open();
  }

  stop() {
    this.running = false;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.wake);
    this.socket?.close();
    this.socket = null;
  }

  #open() {
    const socket = (this.socket = this.connect());
    this.sent = this.sending = false;
    socket.addEventListener("open", () => this.#send());
    socket.addEventListener("message", ({ data }) => {
      if (socket !== this.socket) return;
      this.lost = 0;
      this.sent = false;
      this.onTrouble("");
      this.onAnswer(JSON.parse(data), this.size);
      this.#send();
    });
    socket.addEventListener("close", ({ code }) => {
      if (socket !== this.socket || !this.running) return;
      if (code === 1008) return this.onKey();
      if (code === 1000 && document.hidden) return void document.addEventListener("visibilitychange", () => this.#open(), { once: true });
      const seconds = WAITS[Math.min(this.lost++, WAITS.length - 1)];
      this.onTrouble(`The connection was lost, or the server takes no more cameras. Trying again in ${seconds} s.`);
      this.timer = setTimeout(() => this.#open(), seconds * 1000);
    });
  }

  /** The frame that is there now, unless one is under way: so none waits, and none is old. */
  #send() {
    const { videoWidth, videoHeight } = this.video;
    if (!this.running || document.hidden || this.sent || this.sending || this.socket?.readyState !== WebSocket.OPEN) return;
    if (!videoWidth || this.video.readyState < 2) return void requestAnimationFrame(() => this.#send());
    const scale = Math.min(1, SIDE / Math.max(videoWidth, videoHeight));
    const size = { width: Math.round(videoWidth * scale), height: Math.round(videoHeight * scale) };
    Object.assign(this.canvas, size);
    this.canvas.getContext("2d").drawImage(this.video, 0, 0, size.width, size.height);
    const socket = this.socket;
    this.sending = true;
    this.canvas.toBlob((blob) => {
      if (socket !== this.socket) return;
      this.sending = false;
      if (!blob || socket.readyState !== WebSocket.OPEN) return;
      this.sent = true;
      this.size = size;
      socket.send(blob);
    }, "image/jpeg", QUALITY);
  }
}
