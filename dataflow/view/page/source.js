// Gets rows from the server of the page, or from the content of a page that is one file.

import { LISTS } from "./place.js";

export class Served {
  constructor() {
    this.isLive = true;
  }

  /** The step that is shown if the address names none. */
  async step() {
    return (await this.#get("steps")).at(-1) ?? "";
  }

  async overview(step) {
    return this.#get(`${base(step)}/overview`);
  }

  async rows(step, query, start, count) {
    const asked = new URLSearchParams({ start, count });
    for (const [name, value] of Object.entries(query)) {
      for (const each of [value].flat()) if (each !== "") asked.append(name, each);
    }
    return this.#get(`${base(step)}/rows?${asked}`);
  }

  async row(step, place) {
    return this.#get(`${base(step)}/rows/${encodeURIComponent(place)}`);
  }

  /** The edits of a sample, without numbers and verdicts. */
  async sample(step, how) {
    return this.#get(`${base(step)}/sample?${new URLSearchParams(how)}`);
  }

  /** Label the edit of a sample at `place`; the label is on the disk when the call returns. */
  async say(step, how, at, place, said) {
    return this.#send(`${base(step)}/sample/${at}?${new URLSearchParams(how)}`, { place, ...said });
  }

  /** Accept or reject an edit by hand. */
  async decide(step, edit, label) {
    return this.#send(`${base(step)}/rows/${encodeURIComponent(edit.place)}/decision`, { number: edit.number, label });
  }

  picture(step, place, role, number, pixels) {
    return `${base(step)}/rows/${encodeURIComponent(place)}/${role}/${number}${pixels ? `?pixels=${pixels}` : ""}`;
  }

  async #get(path) {
    return this.#answer(await fetch(path, { cache: "no-store" }));
  }

  async #send(path, said) {
    return this.#answer(await fetch(path, { method: "POST", body: JSON.stringify(said) }));
  }

  async #answer(answer) {
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.error || `the server answered ${answer.status}`);
    return said;
  }
}

const base = (step) => `steps/${encodeURIComponent(step)}`;

/** Has the same methods as the server's source, for rows that the page itself holds. */
export class Held {
  constructor(held) {
    this.isLive = false;
    this.held = held;
    this.details = new Map(held.rows.map((row) => [row.place, row]));
  }

  async step() {
    return this.held.overview.step;
  }

  /** The sums of all rows, and the counts of the rows that the page holds. */
  async overview() {
    const counts = Object.fromEntries(LISTS.map((name) => [name, countsOf(this.held.rows, name)]));
    return { ...this.held.overview, whole: this.held.overview.counts, counts, sides: {} };
  }

  async rows(step, query, start, count) {
    const found = this.held.rows.filter((row) => isMeant(row, query));
    const by = ORDERED[query.order];
    if (by) found.sort((one, other) => by(one) - by(other));
    return { total: found.length, rows: found.slice(start, start + count) };
  }

  async sample() {
    const kept = this.#kept();
    return { ...this.held.sample, showings: this.held.sample.showings.map((showing) => ({ ...showing, said: kept[keyOf(showing)] ?? null })) };
  }

  /** Keep a label in this browser; `labels` makes a file of all labels. */
  async say(step, how, at, place, said) {
    const kept = this.#kept();
    kept[keyOf(this.held.sample.showings[at])] = said;
    localStorage.setItem(this.held.sample.id, JSON.stringify(kept));
  }

  /** All labels, as lines of a labels file. */
  labels() {
    const kept = this.#kept();
    return this.held.sample.showings.filter((showing) => kept[keyOf(showing)])
      .map((showing) => `${JSON.stringify({ kind: "label", ...showing.line, ...kept[keyOf(showing)] })}\n`).join("");
  }

  #kept() {
    return JSON.parse(localStorage.getItem(this.held.sample.id) ?? "{}");
  }

  async row(step, place) {
    const found = this.details.get(place);
    if (!found) throw new Error(`${place} is not in this report`);
    return found;
  }

  picture(step, place, role, number) {
    return this.held.pictures[this.held.places[`${place}/${role}/${number}`]] ?? "";
  }
}

const keyOf = (showing) => `${showing.line.picture}/${showing.line.shown}`;

/** How many rows have each value, the most frequent first. */
function countsOf(rows, name) {
  const counts = new Map();
  for (const row of rows) if (row[name]) counts.set(row[name], (counts.get(row[name]) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([, one], [, other]) => other - one));
}

const last = (number) => number ?? Infinity;
const ORDERED = {
  worst: (row) => last(row.score),
  best: (row) => last(row.score === null ? null : -row.score),
  costly: (row) => last(row.cost === null ? null : -row.cost),
  still: (row) => last(row.after[0]?.measures?.changed),
};

function isMeant(row, query) {
  for (const name of LISTS) {
    if (query[name]?.length && !query[name].includes(row[name])) return false;
  }
  const [least, most] = [Number(query.least || 0), Number(query.most || 10)];
  if ((least > 0 || most < 10) && !(row.score !== null && row.score >= least && row.score <= most)) return false;
  const text = [row.instruction, row.reason, row.operation, row.after.map((edit) => edit.critique)].flat().join(" ");
  return (query.text || "").split(/\s+/).every((word) => text.toLowerCase().includes(word.toLowerCase()));
}

export function openSource() {
  const held = document.getElementById("held");
  return held ? new Held(JSON.parse(held.textContent)) : new Served();
}
