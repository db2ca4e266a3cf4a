// The filters: choices with the number of rows of each.

import { button, element } from "./dom.js";
import { OUTCOMES, SAID, named, percent, plural, whole } from "./words.js";
import { isFiltered, unfiltered } from "./place.js";

const ORDERS = { "": "As the run wrote them", worst: "Worst first", best: "Best first", costly: "Most costly first", still: "Least changed first" };
const MOST = 60; // choices that are shown of one kind

export function filters(overview, place, change) {
  const { query } = place;
  const { counts } = overview;
  return [
    element("label", { class: "field" }, "Order",
      element("select", { id: "order", "data-key": "order", onchange: (event) => change({ order: event.target.value }) },
        Object.entries(ORDERS).map(([name, said]) => element("option", { value: name, selected: query.order === name }, said)))),
    sides(overview, query, change),
    group("Outcome", OUTCOMES.filter((name) => counts.outcome[name]), (name) =>
      choice("outcome", name, SAID[name], counts.outcome[name], query, change, `dot ${name}`)),
    scores(overview.scores, query, change),
    group("Operation", Object.keys(counts.operation), (name) => {
      const found = overview.operations.find((each) => each.name === name);
      return choice("operation", name, name, counts.operation[name], query, change, null, found?.share ? found.share[0] : null);
    }, query.operation),
    group("Language", Object.keys(counts.language), (name) => choice("language", name, name, counts.language[name], query, change), query.language),
    group("Gate, axis or failure", Object.keys(counts.fault), (name) => choice("fault", name, name, counts.fault[name], query, change), query.fault),
    isFiltered(query) ? button("Show all rows", { class: "plain", onclick: () => change(unfiltered(query)) }) : null,
  ];
}

/** The most frequent choices, and those that are made; further choices are found by the search for words. */
function group(title, names, make, chosen = []) {
  if (!names.length) return null;
  const shown = names.filter((name, at) => at < MOST || chosen.includes(name));
  const left = names.length - shown.length;
  return element("section", { class: "group" }, element("h2", {}, title), shown.map(make),
    left ? element("p", { class: "quiet" }, `and ${whole(left)} more: search their words`) : null);
}

function choice(kind, name, said, count, query, change, mark = null, share = null) {
  const isOn = query[kind].includes(name);
  const others = query[kind].filter((each) => each !== name);
  return button("", { class: "choice", "data-key": `${kind}:${name}`, "aria-pressed": String(isOn), title: share === null ? said : `${said}: ${percent(share)} accepted`,
    onclick: () => change({ [kind]: isOn ? others : [...query[kind], name] }) },
    mark ? element("i", { class: mark }) : null,
    element("span", { class: "name", dir: "auto" }, named(said)),
    share === null ? null : element("span", { class: "share", style: { "--share": share } }),
    element("span", { class: "count" }, whole(count)));
}

function sides(overview, query, change) {
  const others = Object.entries(overview.sides).filter(([name, count]) => name && count);
  if (!others.length) return null;
  return element("label", { class: "field" }, "Show",
    element("select", { id: "side", "data-key": "side", onchange: (event) => change({ ...unfiltered(query), side: event.target.value }) },
      element("option", { value: "", selected: !query.side }, "What became of rows"),
      others.map(([name, count]) => element("option", { value: name, selected: query.side === name }, `${name.replaceAll("_", " ")} (${whole(count)})`))));
}

function scores(bins, query, change) {
  const most = Math.max(...bins);
  if (!most) return null;
  const [least, highest] = [Number(query.least || 0), Number(query.most || 10)];
  const field = (name, value, label) => element("input", { type: "number", min: 0, max: 10, step: 0.5, value, "aria-label": label, "data-key": name,
    onchange: (event) => change({ [name]: isWhole(name, event.target.value) ? "" : event.target.value }) });
  return element("section", { class: "group" }, element("h2", {}, "Score"),
    element("div", { class: "bins" }, bins.map((count, at) => {
      const isOn = least < at + 1 && highest > at;
      const isOnly = least === at && highest === at + 1;
      return button("", { "data-key": `score:${at}`, title: `${at} to ${at + 1}: ${plural(count, "row")}`, "aria-label": `score ${at} to ${at + 1}`,
        class: isOn ? "on" : null, style: { "--height": count ? Math.max(0.06, Math.sqrt(count / most)) : 0 },
        onclick: () => change(isOnly ? { least: "", most: "" } : { least: String(at), most: String(at + 1) }) });
    })),
    element("div", { class: "range" }, field("least", least, "lowest score"), "to", field("most", highest, "highest score")));
}

const isWhole = (name, value) => value === "" || (name === "least" ? Number(value) <= 0 : Number(value) >= 10);
