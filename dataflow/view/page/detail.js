// One row, large: the comparison, its inputs and tries, the verdict, and the row's origin.

import { button, element, key, refill } from "./dom.js";
import { Comparison, modeButtons } from "./compare.js";
import { badge, handMark, picture, shownEdit } from "./card.js";
import { measuresSaid } from "./marks.js";
import { money, named, score } from "./words.js";

export class Detail {
  /** `context` has source, step(), currency(), ondecide(), onstep(by), onclose(). */
  constructor(context) {
    this.context = context;
    this.row = null;
    this.tools = element("div", { class: "tools" });
    this.comparison = new Comparison({ onmode: () => this.#fillTools() });
    this.strip = element("div", { class: "strip" });
    this.side = element("aside", { class: "about" });
    this.element = element("div", { class: "detail", role: "dialog", "aria-modal": "true", "aria-label": "one row", hidden: true },
      element("div", { class: "look" }, this.tools, this.comparison.element, this.strip), this.side);
  }

  get isOpen() {
    return !this.element.hidden;
  }

  show(row) {
    this.row = row;
    this.edits = row.edits.length ? row.edits : row.after;
    this.input = 0;
    const best = shownEdit({ after: this.edits });
    const winner = this.edits.findIndex((edit) => edit.chosen);
    this.chosen = Math.max(0, winner >= 0 ? winner : this.edits.indexOf(best));
    this.element.hidden = false;
    this.#fill();
  }

  close() {
    this.element.hidden = true;
    this.row = null;
  }

  /** Show the edit of this number; the numbers wrap around. */
  choose(at) {
    if (!this.edits.length) return;
    this.chosen = (at + this.edits.length) % this.edits.length;
    this.#fill();
  }

  /** Accept or reject the edit by hand; the same decision again withdraws it. */
  async decide(label) {
    const { edit } = this;
    if (!edit || !this.context.source.isLive) return;
    const said = edit.hand === label ? "withdrawn" : label;
    try {
      await this.context.source.decide(this.context.step(), edit, said);
      edit.hand = said === "withdrawn" ? "" : said;
      this.fault = "";
    } catch (error) {
      this.fault = `Not kept: ${error.message}`;
    }
    if (this.row) refill(this.side, ...aboutRow(this));
    await this.context.ondecide();
  }

  get edit() {
    return this.edits[this.chosen] ?? null;
  }

  #fill() {
    this.fault = "";
    const { source, step } = this.context;
    const { row, edit } = this;
    const at = (place, role, number, pixels) => source.picture(step(), place, role, number, pixels);
    this.comparison.show(row.before ? at(row.place, "before", this.input) : "", edit ? at(edit.place, "after", edit.number) : "", edit);
    this.#fillTools();
    refill(this.strip, ...this.#inputs(at), ...this.#tries(at));
    refill(this.side, ...aboutRow(this));
    this.side.scrollTop = 0;
  }

  #fillTools() {
    const { onstep, onclose } = this.context;
    refill(this.tools,
      button("‹", { class: "icon", "aria-label": "row before", title: "row before (←)", onclick: () => onstep(-1) }),
      button("›", { class: "icon", "aria-label": "next row", title: "next row (→)", onclick: () => onstep(1) }),
      ...modeButtons(this.comparison),
      element("span", { class: "grow" }),
      button("×", { class: "icon", "aria-label": "close", title: "close (Esc)", onclick: onclose }));
  }

  #inputs(at) {
    const { row } = this;
    if (row.before < 2 && !row.mask) return [];
    const inputs = Array.from({ length: row.before }, (_, number) =>
      button(picture(at(row.place, "before", number, 320), `input ${number + 1}`), { class: "thumb", "aria-pressed": String(number === this.input),
        onclick: () => { this.input = number; this.#fill(); } }, element("span", {}, `input ${number + 1}`)));
    const mask = row.mask ? element("span", { class: "thumb" }, picture(at(row.place, "mask", 0, 320), "mask"), element("span", {}, "mask")) : null;
    return [...inputs, mask, element("span", { class: "rule" })];
  }

  #tries(at) {
    if (this.edits.length < 2) return [];
    return this.edits.map((edit, number) =>
      button(picture(at(edit.place, "after", edit.number, 320), tryName(edit, number)), { class: "thumb", "aria-pressed": String(number === this.chosen),
        onclick: () => this.choose(number) },
        element("span", {}, element("i", { class: `dot ${judged(edit)}` }), tryName(edit, number), " ", score(edit.score))));
  }
}

const judged = (edit) => (edit.accepted === true ? "accepted" : edit.accepted === false ? "rejected" : "unjudged");

const tryName = (edit, number) => (typeof edit.try === "number" ? `try ${edit.try + 1}${edit.candidate ? `.${edit.candidate + 1}` : ""}` : `edit ${number + 1}`);

function aboutRow(detail) {
  const { row, edit, context } = detail;
  return [
    element("div", { class: "heads" }, badge(row.outcome), handMark(edit?.hand), row.score !== null && row.score !== undefined
      ? element("b", { class: "big" }, score(edit?.score ?? row.score)) : null,
      element("span", { class: "grow" }), row.operation ? element("span", { class: "tag" }, row.operation) : null,
      row.language ? element("span", { class: "tag" }, row.language) : null),
    element("p", { class: "instruction", dir: "auto" }, named(row.instruction)),
    edit ? verdictOf(edit, row) : null,
    row.reason ? element("p", { class: "critique", dir: "auto" }, row.reason) : null,
    row.said ? element("p", { class: "critique quiet", dir: "auto" }, row.said) : null,
    context.source.isLive && edit ? element("div", { class: "byhand" },
      button("Accept", { class: "yes", "aria-pressed": String(edit.hand === "accept"), onclick: () => detail.decide("accept") }, key("a")),
      button("Reject", { class: "no", "aria-pressed": String(edit.hand === "reject"), onclick: () => detail.decide("reject") }, key("x"))) : null,
    detail.fault ? element("p", { class: "note error", role: "alert" }, detail.fault) : null,
    table([["cost", money(row.cost, context.currency())], ["tries", row.tries > 1 ? String(row.tries) : ""], ...row.made]),
    edit?.measures ? element("details", {}, element("summary", {}, "Measured by the gates"), table(measuresSaid(edit.measures))) : null,
    row.row ? element("details", {}, element("summary", {}, "The row as it stands in its file"),
      element("p", { class: "quiet" }, row.place), element("pre", { dir: "auto" }, row.row)) : null,
  ];
}

function verdictOf(edit, row) {
  const names = Object.keys(edit.axes);
  return element("div", { class: "verdict" },
    names.map((name) => element("div", { class: "axis" }, element("span", {}, name),
      element("span", { class: "bar" }, element("i", { class: edit.axes[name] < 7 ? "low" : null, style: { "--at": edit.axes[name] / 10 } })),
      element("b", {}, String(edit.axes[name])))),
    edit.gate ? element("p", { class: "gate" }, element("b", {}, `gate ${edit.gate}`), `: ${edit.fault}`) : null,
    edit.critique ? element("blockquote", { dir: "auto" }, edit.critique) : null,
    edit.prompt && edit.prompt !== row.instruction ? element("p", { class: "quiet", dir: "auto" }, `asked: ${edit.prompt}`) : null);
}

function table(lines) {
  const filled = lines.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return filled.length ? element("dl", {}, filled.map(([name, value]) => [element("dt", {}, name), element("dd", { dir: "auto" }, value)])) : null;
}
