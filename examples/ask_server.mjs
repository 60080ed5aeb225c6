/**
 * Ask a running `mien serve` about texts, pictures and clips. Needs nothing but Node 18, or a browser.
 *
 *   node examples/ask_server.mjs "i feel so loved today" party.jpg talk.mp4
 *   node examples/ask_server.mjs --server https://mien.example.org --key SECRET --labels ekman7 "what a waste of money"
 *
 * The client is one file without dependencies, which every server has at /client.js.
 */

import { Mien } from "../src/mien/serve/page/client.js";

const USAGE = "node ask_server.mjs [--server URL] [--key KEY] [--labels SPACE] [--model NAME] INPUT... (texts, pictures, clips)";
const KINDS = { face: /\.(jpe?g|png|webp)$/i, video: /\.(mp4|mov|webm|avi)$/i };

/**
 * A line for each input: its emoji and label, or what is wrong with it.
 *
 * @param {Mien} mien
 * @param {(string | File)[]} inputs texts, and pictures and clips as files
 * @param {{labels?: string}} [options]
 */
export async function ask(mien, inputs, options = {}) {
  const lines = [];
  for (const input of inputs) {
    try {
      const kind = Object.keys(KINDS).find((name) => KINDS[name].test(input.name ?? "")) ?? "text";
      const [result] = kind === "text" ? await mien.text([input], options) : await mien.files(kind, [input], options);
      lines.push(`${result.emoji ?? "–"} ${result.label ?? "no face"}  ${result.input}`);
    } catch (problem) {
      lines.push(`✗ ${problem.message}`);
    }
  }
  return lines;
}

/** From the command line. */
async function main(words) {
  const options = {};
  const inputs = [];
  if (words.includes("--help")) return console.log(USAGE);
  while (words.length) {
    const word = words.shift();
    if (word.startsWith("--")) options[word.slice(2)] = words.shift();
    else inputs.push(await fileOr(word));
  }
  if (!inputs.length) throw new Error(USAGE);
  const { server, key, ...asked } = options;
  const onWait = (seconds) => console.error(`The server is busy; asking again in ${seconds} s.`);
  const lines = await ask(new Mien({ server, key, onWait }), inputs, asked);
  console.log(lines.join("\n"));
  if (lines.some((line) => line.startsWith("✗"))) process.exitCode = 1;
}

async function fileOr(word) {
  if (!Object.values(KINDS).some((ending) => ending.test(word))) return word;
  const { readFile } = await import("node:fs/promises");
  const content = await readFile(word).catch(({ code, message }) => {
    throw new Error(`${word} cannot be read: ${code === "ENOENT" ? "there is no such file" : message}`);
  });
  return Object.assign(new Blob([content]), { name: word });
}

if (globalThis.process?.argv[1] && import.meta.url === new URL(`file://${process.argv[1]}`).href) {
  await main(process.argv.slice(2)).catch(({ message }) => {
    console.error(message);
    process.exitCode = 1;
  });
}
