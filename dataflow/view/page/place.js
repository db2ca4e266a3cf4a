// Reads and writes the address behind #, which names what is shown, so that links and the back button work.

export const LISTS = ["outcome", "operation", "language", "fault"];
const DRAWN = ["count", "threshold", "uniform", "seed"];
const TEXTS = ["side", "least", "most", "text", "order"];

export function readPlace() {
  const said = new URLSearchParams(location.hash.slice(1));
  const query = {};
  for (const name of LISTS) query[name] = said.getAll(name);
  for (const name of TEXTS) query[name] = said.get(name) ?? "";
  return {
    step: said.get("step") ?? "", row: said.get("row") ?? "", view: said.get("view") ?? "",
    start: Math.max(0, Number.parseInt(said.get("start") ?? "0", 10) || 0), query,
  };
}

/** The options of a sample that the address names. */
export function readDraw() {
  const said = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(DRAWN.filter((name) => said.has(name)).map((name) => [name, said.get(name)]));
}

export function hashOf(place) {
  const said = new URLSearchParams();
  if (place.step) said.set("step", place.step);
  for (const [name, value] of Object.entries(place.query)) {
    for (const each of [value].flat()) if (each !== "") said.append(name, each);
  }
  if (place.start) said.set("start", place.start);
  if (place.view) said.set("view", place.view);
  if (place.row) said.set("row", place.row);
  return `#${said}`;
}

/** Change the address; a change that the back button should undo is a new entry of the browser's history. */
export function goTo(place, { isStep = false } = {}) {
  const hash = hashOf(place);
  if (hash === location.hash) return;
  if (isStep) history.pushState(null, "", hash);
  else history.replaceState(null, "", hash);
}

export const isFiltered = (query) =>
  LISTS.some((name) => query[name].length) || ["least", "most", "text"].some((name) => query[name] !== "");

export function unfiltered(query) {
  return { ...query, outcome: [], operation: [], language: [], fault: [], least: "", most: "", text: "" };
}
