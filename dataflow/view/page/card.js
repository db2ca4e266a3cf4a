// A row's card in the grid: pictures before and after, instruction, outcome.

import { element } from "./dom.js";
import { SAID, money, named, score } from "./words.js";

const SMALL = 200; // pixels: a smaller picture is a drawing, and is enlarged with sharp pixels

/** A picture; a picture that cannot be shown is replaced by words that say so. */
export function picture(address, label, properties = {}) {
  const image = element("img", { alt: label, loading: "lazy", decoding: "async", ...properties });
  image.addEventListener("load", () => image.classList.toggle("pixels", image.naturalWidth <= SMALL && image.naturalHeight <= SMALL));
  image.addEventListener("error", () => {
    image.replaceWith(element("span", { class: "missing" }, address ? "no picture" : "nothing here"));
  });
  image.src = address;
  return image;
}

export function badge(outcome) {
  return element("span", { class: `badge ${outcome}` }, SAID[outcome] ?? outcome);
}

/** A small bar for each axis. */
export function axisBars(axes) {
  const names = Object.keys(axes);
  if (!names.length) return null;
  const said = names.map((name) => `${name} ${axes[name]}`).join(", ");
  return element("span", { class: "axes", title: said, role: "img", "aria-label": said },
    names.map((name) => element("i", { style: { "--at": axes[name] / 10 }, class: axes[name] < 7 ? "low" : null })));
}

/** The edit of a row that is shown first: the accepted one, else the best of those that passed the gates. */
export function shownEdit(row) {
  const rank = (edit) => (edit.accepted ? 100 : 0) + (edit.gate ? 0 : 20) + (edit.score ?? -1);
  return row.after.reduce((best, edit) => (best && rank(best) >= rank(edit) ? best : edit), null);
}

export function cardOf(row, context) {
  const edit = shownEdit(row);
  const { source, step, currency, onopen } = context;
  const before = row.before ? picture(source.picture(step, row.place, "before", 0, 320), "before") : null;
  const after = edit ? picture(source.picture(step, edit.place, "after", edit.number, 320), "after")
    : element("span", { class: "missing" }, row.reason || "no result");
  return element("button", { type: "button", class: `card ${row.outcome}`, "data-place": row.place, onclick: () => onopen(row.place) },
    element("span", { class: row.before ? "pair" : "pair single" }, before, after,
      row.before > 1 ? element("span", { class: "more" }, `${row.before} inputs`) : null),
    element("span", { class: "said", dir: "auto" }, row.instruction || named("")),
    element("span", { class: "foot" },
      badge(row.outcome), handMark(edit?.hand),
      row.tries > 1 ? element("span", { class: "quiet" }, `${row.tries} tries`) : null,
      row.cost ? element("span", { class: "quiet" }, money(row.cost, currency)) : null,
      element("span", { class: "grow" }),
      edit ? axisBars(edit.axes) : null,
      row.score !== null && row.score !== undefined ? element("b", { class: "score" }, score(row.score)) : null));
}

export function handMark(said) {
  return said ? element("span", { class: `hand ${said}`, title: `by hand: ${said}` }, said === "accept" ? "✓" : "✕") : null;
}
