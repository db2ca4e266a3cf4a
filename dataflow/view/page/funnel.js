// The funnel: outcomes of all rows in one bar, and by operation in a table.

import { button, element } from "./dom.js";
import { OUTCOMES, SAID, duration, money, named, percent, plural, whole } from "./words.js";

export function funnel(overview, { isOpen, onopen, onoutcome, onoperation }) {
  const counts = (overview.whole ?? overview.counts).outcome; // a report holds some of the rows and the sums of all
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const there = OUTCOMES.filter((name) => counts[name]);
  return element("section", { class: "funnel" },
    element("div", { class: "sums" }, ...sums(overview, total), element("span", { class: "grow" }),
      overview.operations.some((each) => each.name) ? button(isOpen ? "Hide operations" : "By operation", { class: "plain", "aria-expanded": String(isOpen), onclick: onopen }) : null),
    total ? element("div", { class: "stack", role: "img", "aria-label": there.map((name) => `${SAID[name]} ${counts[name]}`).join(", ") },
      there.map((name) => button("", { class: name, title: `${SAID[name]}: ${plural(counts[name], "row")}, ${percent(counts[name] / total)}`,
        "aria-label": SAID[name], style: { "flex-grow": counts[name] }, onclick: () => onoutcome(name) }))) : null,
    isOpen ? operations(overview, onoperation) : null);
}

function sums(overview, total) {
  const { verdicts, currency } = overview;
  const found = [element("span", {}, element("b", {}, whole(total)), ` of ${overview.rows ? plural(overview.rows, "row") : "the rows"}`)];
  if (!overview.rows || overview.rows === total) found[0] = element("span", {}, element("b", {}, whole(total)), total === 1 ? " row" : " rows");
  if (verdicts) {
    found.push(element("span", {}, element("b", {}, whole(verdicts.accepted)), " accepted",
      verdicts.share === null ? "" : `, ${percent(verdicts.share)} (${percent(verdicts.low)} to ${percent(verdicts.high)})`));
    if (verdicts.cost !== null && currency) found.push(element("span", {}, element("b", {}, money(verdicts.cost, currency)), " per accepted row"));
  }
  if (currency) found.push(element("span", {}, element("b", {}, money(overview.spent, currency)), " spent"));
  if (overview.seconds_left) found.push(element("span", {}, `about ${duration(overview.seconds_left)} left`));
  return found;
}

function operations(overview, onoperation) {
  const { currency } = overview;
  const heads = ["operation", "rows", "accepted", "", "rejected", "unjudged", "failed", currency ? "each" : null, "most often"].filter((head) => head !== null);
  return element("div", { class: "scroll" }, element("table", { class: "operations" },
    element("thead", {}, element("tr", {}, heads.map((head) => element("th", {}, head)))),
    element("tbody", {}, overview.operations.map((each) => element("tr", {},
      element("td", {}, button(named(each.name), { class: "plain", onclick: () => onoperation(each.name) })),
      number(each.rows), number(each.accepted),
      element("td", {}, each.share ? survival(each.share) : null),
      number(each.rejected), number(each.unjudged), number(each.failed),
      currency ? element("td", { class: "number" }, money(each.cost_each, currency)) : null,
      element("td", { class: "quiet" }, each.faults.map(([name, count]) => `${name} (${count})`).join(", ")))))));
}

const number = (count) => element("td", { class: count ? "number" : "number quiet" }, whole(count));

/** A share with its 95% confidence interval. */
function survival([share, low, high]) {
  return element("span", { class: "survival", title: `${percent(share)}, ${percent(low)} to ${percent(high)} 19 times in 20`,
    style: { "--share": share, "--low": low, "--high": high } }, element("i", {}), element("b", {}, percent(share)));
}
