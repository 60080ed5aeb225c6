/** The page /docs: what the server's OpenAPI document says, for people. Nothing is loaded from elsewhere. */

import { el } from "./dom.js";

const main = document.getElementById("main");
const VERBS = ["get", "put", "post", "delete", "patch"];

/** Text in which `…` is code. */
function words(text = "") {
  return text.split("`").map((part, place) => (place % 2 ? el("code", {}, part) : part));
}

const nameOf = (schema) => schema.$ref.split("/").pop();

/** What kind of value a schema is of: a word or two, with links to shapes that have a name. */
function kind(schema) {
  if (schema.$ref) return [el("a", { href: `#${nameOf(schema)}` }, nameOf(schema))];
  if (schema.anyOf) return schema.anyOf.flatMap((one, place) => [...(place ? [" or "] : []), ...kind(one)]);
  if (schema.enum) return schema.enum.flatMap((one, place) => [...(place ? ", " : ""), el("code", {}, String(one))]);
  if (schema.type === "array") return ["list of ", ...kind(schema.items ?? {})];
  if (schema.type === "object" && typeof schema.additionalProperties === "object")
    return ["name → ", ...kind(schema.additionalProperties)];
  if (schema.format === "binary") return ["file"];
  return [schema.contentEncoding ?? schema.type ?? "anything"];
}

/** The bounds of a value in words. */
function bounds({ minimum, maximum, minItems, maxItems, maxLength }) {
  const range = (low, high, unit) => {
    if (low === undefined && high === undefined) return [];
    const [least, most] = [low, high].map((bound) => bound?.toLocaleString("en"));
    return [(low === undefined ? `at most ${most}` : high === undefined ? `at least ${least}` : `${least} to ${most}`) + unit];
  };
  return [...range(minimum, maximum, ""), ...range(minItems, maxItems, " entries"), ...range(undefined, maxLength, " characters")];
}

function table(heads, rows) {
  const head = el("thead", {}, el("tr", {}, ...heads.map((name) => el("th", { scope: "col" }, name))));
  const line = ([first, ...rest]) =>
    el("tr", {}, el("th", { scope: "row" }, ...first), ...rest.map((cell) => el("td", {}, ...cell)));
  return el("table", {}, head, el("tbody", {}, ...rows.map(line)));
}

/** The properties of an object, one in a row. */
function properties(schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([name, value]) => {
    const inner = value.items ?? {};
    const notes = [value.description ?? inner.description, ...bounds(value), ...bounds(inner)].filter(Boolean).join("; ");
    return [[el("code", {}, name), schema.required?.includes(name) ? "" : " (optional)"], kind(value), words(notes)];
  });
  return rows.length ? [table(["name", "value", "meaning"], rows)] : [];
}

/** How to ask it from a shell. */
function curl(verb, path, body, locked) {
  const parts = [`curl ${new URL(".", document.baseURI)}${path.slice(1)}`];
  if (locked) parts.push("-H 'Authorization: Bearer KEY'");
  const [type, content] = body;
  if (type === "application/json")
    parts.push(`-H 'Content-Type: ${type}'`, `-d '${JSON.stringify(content.example ?? {}).replaceAll("'", "'\\''")}'`);
  else if (type)
    for (const name of content.schema.required ?? [])
      parts.push(content.schema.properties[name].items?.format === "binary" ? `-F ${name}=@FILE` : `-F ${name}='…'`);
  else if (verb !== "get") parts.push(`-X ${verb.toUpperCase()}`);
  return el("pre", {}, parts.join(" \\\n  "));
}

function operation(verb, path, about, locked) {
  const bodies = Object.entries(about.requestBody?.content ?? {});
  const answers = Object.entries(about.responses).map(([status, answer]) => {
    const [[type, content] = []] = Object.entries(answer.content ?? {});
    return [[el("code", {}, status)], words(answer.description), content?.schema ? [...kind(content.schema), ...(content.schema.$ref ? [] : [` (${type})`])] : []];
  });
  const given = (about.parameters ?? []).map((one) => [[el("code", {}, one.name)], kind(one.schema), [`in the ${one.in}`]]);
  return el("article", { class: "card" },
    el("h3", { id: about.operationId }, el("code", { class: "verb" }, verb.toUpperCase()), el("code", {}, path)),
    el("p", {}, ...words(about.description ?? about.summary)),
    ...(given.length ? [table(["parameter", "value", "where"], given)] : []),
    ...bodies.flatMap(([type, content]) => [
      el("h4", {}, `Body: ${type}`), ...properties(content.schema), curl(verb, path, [type, content], locked),
    ]),
    ...(bodies.length ? [] : [curl(verb, path, [], locked)]),
    el("details", {}, el("summary", {}, "Answers"), table(["status", "meaning", "content"], answers)),
  );
}

function shape(name, schema) {
  return el("article", { class: "card" }, el("h3", { id: name }, name), el("p", {}, ...words(schema.description)), ...properties(schema));
}

function show(spec) {
  const operations = Object.entries(spec.paths).flatMap(([path, at]) =>
    VERBS.filter((verb) => at[verb]).map((verb) => [verb, path, at[verb]]));
  const locked = (about) => Boolean((about.security ?? spec.security)?.length);
  const links = operations.map(([verb, path, about]) =>
    el("li", {}, el("a", { href: `#${about.operationId}` }, el("code", {}, `${verb.toUpperCase()} ${path}`))));
  main.append(
    el("p", { class: "soft" }, `${spec.info.title} ${spec.info.version}`),
    el("p", {}, ...words(spec.info.description)),
    el("nav", { "aria-label": "Requests" }, el("ul", {}, ...links)),
    el("h2", {}, "Requests"),
    ...operations.map(([verb, path, about]) => operation(verb, path, about, locked(about))),
    el("h2", {}, "Shapes"),
    ...Object.entries(spec.components?.schemas ?? {}).map(([name, schema]) => shape(name, schema)),
  );
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView(); // it came after the page
}

try {
  const answer = await fetch("openapi.json");
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  show(await answer.json());
} catch (error) {
  const notice = document.getElementById("problem");
  notice.textContent = `The description of the API could not be read: ${error.message}`;
  notice.hidden = false;
}
