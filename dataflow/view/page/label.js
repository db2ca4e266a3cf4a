// "Would you train on this?", one edit after another, without its verdict; each key is saved at once.

import { button, element, key, refill } from "./dom.js";
import { Comparison, modeButtons } from "./compare.js";
import { readDraw } from "./place.js";
import { named, plural, whole } from "./words.js";

const ANSWERS = [["yes", "1", "Yes"], ["no", "2", "No"], ["unsure", "3", "Unsure"]];
export const REASONS = [["following", "f"], ["preservation", "p"], ["naturalness", "n"], ["artefacts", "a"], ["text", "t"], ["identity", "i"]];

export class Labelling {
  /** `context` has source, step(), onclose(). */
  constructor(context) {
    this.context = context;
    this.how = { count: 100, threshold: 7, uniform: "", ...readDraw() };
    this.tools = element("div", { class: "tools" });
    this.comparison = new Comparison({ onmode: () => this.#fillTools() });
    this.question = element("div", { class: "question" });
    this.element = element("div", { class: "labelling", role: "dialog", "aria-modal": "true", "aria-label": "labelling", hidden: true },
      this.tools, this.comparison.element, this.question);
    this.seconds = [];
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** Show the question and the keys before the first edit. */
  open() {
    this.element.hidden = false;
    this.showings = null;
    this.element.classList.add("asking");
    if (this.context.source.isLive) this.#ask();
    else this.begin();
  }

  close() {
    this.element.hidden = true;
  }

  async begin() {
    refill(this.question, element("p", { class: "quiet" }, "Drawing edits …"));
    try {
      this.sample = await this.context.source.sample(this.context.step(), this.how);
    } catch (error) {
      this.#ask(error.message);
      return;
    }
    this.showings = this.sample.showings;
    this.element.classList.remove("asking");
    this.seconds = [];
    const first = this.showings.findIndex((showing) => !showing.said);
    this.go(first < 0 ? this.showings.length : first);
  }

  go(at) {
    this.at = Math.max(0, Math.min(this.showings.length, at));
    this.reasons = new Set(this.showing?.said?.reasons ?? []);
    this.since = performance.now();
    this.element.classList.toggle("done", !this.showing);
    const { showing } = this;
    if (showing) {
      const { source, step } = this.context;
      this.comparison.show(showing.before ? source.picture(step(), showing.place, "before", 0) : "", source.picture(step(), showing.place, "after", showing.number), null);
    }
    this.#fill();
  }

  get showing() {
    return this.showings?.[this.at] ?? null;
  }

  async say(label) {
    if (!this.showing || this.saving) return;
    const seconds = (performance.now() - this.since) / 1000;
    if (await this.#keep(label, seconds)) {
      this.seconds.push(seconds);
      this.go(this.at + 1);
    }
  }

  async toggle(reason) {
    if (!this.showing) return;
    if (this.saving) return;
    if (!this.reasons.delete(reason)) this.reasons.add(reason);
    if (this.showing.said) await this.#keep(this.showing.said.label, this.showing.said.seconds ?? 0);
    this.#fill();
  }

  keys() {
    const { comparison } = this;
    const keys = {
      Escape: () => this.context.source.isLive && this.context.onclose(), Backspace: () => this.go(this.at - 1), ArrowLeft: () => this.go(this.at - 1),
      ArrowRight: () => this.showing?.said && this.go(this.at + 1),
      s: () => comparison.set("slide"), b: () => comparison.set("beside"), d: () => comparison.set("heat"), z: () => comparison.toggleZoom(),
      " ": (event) => {
        if (event.repeat) return;
        comparison.set("flicker");
        comparison.flick(true);
      },
    };
    if (!this.showings) return { Escape: keys.Escape, Enter: () => this.begin() };
    for (const [label, name] of ANSWERS) keys[name] = () => this.say(label);
    for (const [reason, name] of REASONS) keys[name] = () => this.toggle(reason);
    return keys;
  }

  /** Save the label of an edit, on the disk or in this browser. */
  async #keep(label, seconds) {
    const said = { label, reasons: label === "yes" ? [] : [...this.reasons], seconds: Math.round(seconds * 100) / 100 };
    this.saving = true;
    try {
      await this.context.source.say(this.context.step(), this.how, this.at, this.showing.place, said);
      this.showing.said = said;
      this.fault = "";
    } catch (error) {
      this.fault = `Not kept: ${error.message}`;
      this.#fill();
    }
    this.saving = false;
    return !this.fault;
  }

  #ask(fault = "") {
    const set = (name, from) => (event) => { this.how = { ...this.how, [name]: from(event.target) }; };
    const field = (label, name, properties) => element("label", { class: "field" }, label,
      element("input", { type: "number", value: this.how[name], onchange: set(name, (target) => Number(target.value)), ...properties }));
    refill(this.tools, element("span", { class: "grow" }), button("×", { class: "icon", "aria-label": "close", onclick: this.context.onclose }));
    refill(this.question,
      element("h2", {}, "Would you train on this?"),
      element("p", {}, "Edits are drawn from those that were judged, four in five at or above the threshold, and shown in a random order without their scores. Ten come twice. Each answer is on the disk before the next edit is shown."),
      element("div", { class: "fields" }, field("edits", "count", { min: 1, max: 100000 }), field("threshold", "threshold", { min: 0, max: 10, step: 0.5 }),
        element("label", { class: "check" }, element("input", { type: "checkbox", checked: this.how.uniform === "yes", onchange: set("uniform", (target) => (target.checked ? "yes" : "")) }), "all alike, to look for a lower threshold")),
      fault ? element("p", { class: "note error" }, fault) : null,
      button("Begin", { class: "go", onclick: () => this.begin() }, " ", key("Enter")));
  }

  #fillTools() {
    if (!this.showings) return;
    const done = this.showings.filter((showing) => showing.said).length;
    refill(this.tools, ...modeButtons(this.comparison, { marks: false }), element("span", { class: "grow" }),
      element("span", { class: "quiet", role: "status" }, `${whole(done)} of ${whole(this.showings.length)}${this.#pace(this.showings.length - done)}`),
      element("progress", { max: this.showings.length, value: done, "aria-label": "labelled" }),
      this.context.source.isLive ? button("×", { class: "icon", "aria-label": "close", title: "close (Esc)", onclick: this.context.onclose }) : null);
  }

  #pace(left) {
    if (this.seconds.length < 3) return "";
    const each = [...this.seconds].sort((one, other) => one - other)[Math.floor(this.seconds.length / 2)];
    return `, ${each.toFixed(1)} s each${left ? `, about ${Math.max(1, Math.round((left * each) / 60))} min left` : ""}`;
  }

  #fill() {
    this.#fillTools();
    const { showing } = this;
    if (!showing) {
      refill(this.question, ...this.#end());
      return;
    }
    refill(this.question,
      element("p", { class: "instruction", dir: "auto" }, named(showing.instruction)),
      element("div", { class: "answers" }, ANSWERS.map(([label, name, said]) =>
        button(said, { class: label, "aria-pressed": String(showing.said?.label === label), onclick: () => this.say(label) }, key(name)))),
      element("div", { class: "reasons" }, element("span", { class: "quiet" }, "it falls short in"), REASONS.map(([reason, name]) =>
        button(reason, { class: "reason", "aria-pressed": String(this.reasons.has(reason)), onclick: () => this.toggle(reason) }, key(name)))),
      element("p", { class: "quiet hints" }, "hold ", key("Space"), " for the picture before, ", key("←"), " back"),
      this.fault ? element("p", { class: "note error" }, this.fault) : null);
  }

  #end() {
    const said = this.showings.filter((showing) => showing.said);
    const [yes, no] = ["yes", "no"].map((label) => said.filter((showing) => showing.said.label === label).length);
    const { source } = this.context;
    return [
      element("h2", {}, said.length === this.showings.length ? "That was all." : "The end, with some left out."),
      element("p", {}, `${plural(said.length, "answer")}: ${whole(yes)} yes, ${whole(no)} no, ${whole(said.length - yes - no)} unsure.`),
      source.isLive ? element("p", {}, "They stand in ", element("code", {}, this.sample.labels), ". What they promise says ", element("code", {}, this.sample.then), ".")
        : element("p", {}, button("Save labels.jsonl", { class: "go", onclick: () => save(source.labels()) })),
      this.sample.left_out ? element("p", { class: "quiet" }, this.sample.left_out) : null,
      button("Back", { onclick: () => this.go(this.at - 1) }, " ", key("←")),
    ];
  }
}

function save(text) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "application/jsonl" })), download: "labels.jsonl" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
