// The page: a grid of rows with filters beside it, one row large in front of it, and the actions of keys.

import { button, element, refill } from "./dom.js";
import { cardOf } from "./card.js";
import { Detail } from "./detail.js";
import { filters } from "./filters.js";
import { funnel } from "./funnel.js";
import { helpDialog, isTyping } from "./keys.js";
import { goTo, isFiltered, readPlace, unfiltered } from "./place.js";
import { Labelling } from "./label.js";
import { openSource } from "./source.js";
import { plural, whole } from "./words.js";

const COUNT = 60; // rows of one page of the grid
const LIVE_SECONDS = 1.5;
const CALM_SECONDS = 5;

class Page {
  constructor(source) {
    this.source = source;
    this.place = readPlace();
    this.overview = null;
    this.found = { total: 0, rows: [] };
    this.selected = 0;
    this.operationsOpen = false;
    this.title = element("span", { class: "title" });
    this.filters = element("nav", { class: "filters", "aria-label": "filters" });
    this.funnel = element("div");
    this.note = element("p", { class: "note", role: "status" });
    this.grid = element("div", { class: "grid", onfocusin: (event) => this.#mark(event.target.closest(".card")) });
    this.pager = element("div", { class: "pager" });
    this.search = element("input", { type: "search", placeholder: "Search words", "aria-label": "search words", value: this.place.query.text,
      oninput: () => this.#later(() => this.change({ text: this.search.value })) });
    this.help = helpDialog();
    this.detail = new Detail({
      source, step: () => this.place.step, currency: () => this.overview?.currency ?? "",
      ondecide: () => this.look(), onstep: (by) => this.stepRow(by), onclose: () => this.closeRow(),
    });
    this.labelling = new Labelling({ source, step: () => this.place.step, onclose: () => this.closeLabelling() });
    this.header = element("header", { class: "top" }, this.title, element("span", { class: "grow" }), this.search, this.#buttons());
    this.body = element("div", { class: "body" }, this.filters, element("main", {}, this.funnel, this.note, this.grid, this.pager));
    document.body.replaceChildren(this.header, this.body, this.detail.element, this.labelling.element, this.help);
    addEventListener("keydown", (event) => this.#keydown(event));
    addEventListener("keyup", (event) => event.key === " " && this.#comparisons().forEach((each) => each.flick(false)));
    addEventListener("pointerdown", () => { this.isPressed = true; this.isTabbing = false; });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => { this.isPressed = false; });
    addEventListener("popstate", () => this.#follow());
    addEventListener("hashchange", () => this.#follow());
  }

  async start() {
    try {
      this.place.step ||= await this.source.step();
    } catch (error) {
      this.error = error.message;
      this.show();
      return;
    }
    await this.look();
    if (this.place.row) await this.openRow(this.place.row);
    if (this.place.view === "label" || this.source.held?.sample) this.openLabelling();
    if (this.source.isLive) this.#watch();
  }

  /** Fetch the step's progress and the rows that the address asks for, and show them. */
  async look() {
    try {
      [this.overview, this.found] = await this.#fetch(this.place);
      this.error = "";
    } catch (error) {
      this.error = error.message;
    }
    this.show();
  }

  #fetch(place) {
    return Promise.all([this.source.overview(place.step), this.source.rows(place.step, place.query, place.start, COUNT)]);
  }

  async change(query) {
    this.place = { ...this.place, start: 0, query: { ...this.place.query, ...query } };
    goTo(this.place);
    this.selected = 0;
    await this.#lookForRows();
  }

  /** Fetch only the rows, since the sums do not depend on the filters. */
  async #lookForRows() {
    const { place } = this;
    try {
      const found = await this.source.rows(place.step, place.query, place.start, COUNT);
      if (place !== this.place) return; // the user has asked for other rows meanwhile
      [this.found, this.error] = [found, ""];
    } catch (error) {
      this.error = error.message;
    }
    this.show();
  }

  async turn(by) {
    const start = this.place.start + by * COUNT;
    if (start < 0 || start >= this.found.total) return;
    this.place = { ...this.place, start };
    goTo(this.place);
    this.selected = 0;
    await this.#lookForRows();
    scrollTo({ top: 0 });
  }

  async openRow(place) {
    const at = this.found.rows.findIndex((row) => row.place === place);
    if (at >= 0) this.selected = at;
    const isNew = !this.place.row;
    this.place = { ...this.place, row: place };
    goTo(this.place, { isStep: isNew });
    try {
      const row = await this.source.row(this.place.step, place);
      if (this.place.row !== place) return; // the user has opened another row meanwhile
      this.detail.show(row);
      this.#cover(true);
    } catch (error) {
      if (this.place.row !== place) return;
      this.closeRow();
      this.error = error.message;
      this.show();
    }
  }

  closeRow() {
    this.detail.close();
    this.place = { ...this.place, row: "" };
    goTo(this.place);
    this.#cover(false);
  }

  openLabelling() {
    if (this.detail.isOpen) this.closeRow();
    this.place = { ...this.place, view: "label" };
    goTo(this.place);
    this.#cover(true);
    this.labelling.open();
  }

  closeLabelling() {
    this.labelling.close();
    this.place = { ...this.place, view: "" };
    goTo(this.place);
    this.#cover(false);
  }

  /** Keep what lies behind a large row, or behind an edit to be labelled, from scrolling and from the keyboard. */
  #cover(isCovered) {
    document.body.classList.toggle("opened", isCovered);
    for (const each of [this.header, this.body]) each.inert = isCovered;
    if (!isCovered) this.#focus();
  }

  async stepRow(by) {
    const place = this.found.rows.findIndex((row) => row.place === this.place.row);
    const at = place < 0 ? this.selected : place; // a running step may have moved the row to another page
    let next = at + by;
    if (next < 0 || next >= this.found.rows.length) {
      const before = this.place.start;
      await this.turn(by);
      if (this.place.start === before) return;
      next = by > 0 ? 0 : this.found.rows.length - 1;
    }
    if (this.found.rows[next]) await this.openRow(this.found.rows[next].place);
  }

  show() {
    this.isStale = false;
    const { overview, place, found } = this;
    refill(this.title, ...this.#head());
    if (!overview) {
      refill(this.note, this.error || "Reading …");
      return;
    }
    document.title = `${nameOf(overview.cache)} · DataFlow-MM`;
    this.#fillFilters();
    refill(this.funnel, funnel(overview, {
      isOpen: this.operationsOpen, onopen: () => this.#toggleOperations(),
      onoutcome: (name) => this.change({ outcome: [name] }), onoperation: (name) => this.change({ operation: [name] }),
    }));
    refill(this.note, this.error || this.#noteOf(found));
    this.note.classList.toggle("error", Boolean(this.error));
    this.#fillGrid();
    refill(this.pager, ...this.#pages());
  }

  /** Make the filters anew; the one that had the focus has it again. */
  #fillFilters() {
    const at = this.filters.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    refill(this.filters, ...filters(this.overview, this.place, (query) => this.change(query)));
    if (at) this.filters.querySelector(`[data-key="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
  }

  #head() {
    const { overview } = this;
    if (!overview) return [element("h1", {}, "DataFlow-MM")];
    return [
      element("h1", { title: overview.cache }, element("img", { src: this.source.isLive ? "icon.svg" : this.source.held.icon, alt: "", width: 22, height: 22 }), nameOf(overview.cache)),
      overview.steps?.length > 1 ? element("select", { "aria-label": "step", onchange: (event) => this.#goToStep(event.target.value) },
        overview.steps.map((name) => element("option", { value: name, selected: name === overview.step }, name))) : element("span", { class: "quiet step" }, overview.step),
      overview.state ? element("span", { class: `state ${overview.state}`, title: overview.why || overview.operator },
        overview.state === "running" && overview.rows ? `running, ${whole(overview.done ?? 0)} of ${whole(overview.rows)}` : overview.state) : null,
    ];
  }

  #buttons() {
    return [
      this.source.isLive ? button("Label", { title: "would you train on this? (L)", onclick: () => this.openLabelling() }) : null,
      button("Filters", { class: "plain narrow", onclick: () => this.filters.classList.toggle("open") }),
      button("?", { class: "icon", "aria-label": "keys", title: "keys (?)", onclick: () => this.help.showModal() }),
    ];
  }

  #noteOf(found) {
    if (!found.total) return isFiltered(this.place.query) ? "No row is like that." : "No row has come out yet.";
    const last = Math.min(this.place.start + COUNT, found.total);
    const what = found.total > COUNT ? `${whole(this.place.start + 1)} to ${whole(last)} of ${plural(found.total, "row")}` : plural(found.total, "row");
    if (isFiltered(this.place.query)) return `${what} found`;
    const all = this.source.held?.total ?? 0;
    return all > found.total ? `${what}, evenly spaced over ${whole(all)}` : what;
  }

  /** Show cards; those that are shown already stay, so that nothing flickers while a run goes on. */
  #fillGrid() {
    const context = { source: this.source, step: this.place.step, currency: this.overview.currency, onopen: (place) => this.openRow(place) };
    const there = new Map([...this.grid.children].map((card) => [card.said, card]));
    this.grid.replaceChildren(...this.found.rows.map((row, at) => {
      const said = JSON.stringify([this.place.step, row]);
      const card = there.get(said) ?? cardOf(row, context);
      card.said = said;
      card.classList.toggle("selected", at === this.selected);
      return card;
    }));
  }

  #pages() {
    if (this.found.total <= COUNT) return [];
    const [at, pages] = [this.place.start / COUNT + 1, Math.ceil(this.found.total / COUNT)];
    return [
      button("‹ before", { disabled: at <= 1, onclick: () => this.turn(-1) }),
      element("span", {}, `page ${whole(Math.ceil(at))} of ${whole(pages)}`),
      button("next ›", { disabled: at >= pages, onclick: () => this.turn(1) }),
    ];
  }

  async #goToStep(step) {
    this.place = { ...this.place, step, start: 0, row: "", query: unfiltered({ ...this.place.query, side: "" }) };
    goTo(this.place, { isStep: true });
    this.selected = 0;
    await this.look();
  }

  #toggleOperations() {
    this.operationsOpen = !this.operationsOpen;
    this.show();
  }

  async #follow() {
    const place = readPlace();
    const isSame = JSON.stringify({ ...place, row: "" }) === JSON.stringify({ ...this.place, row: "" });
    this.place = place;
    if (!isSame) await this.look();
    if (place.row) await this.openRow(place.row);
    else if (this.detail.isOpen) this.closeRow();
  }

  #watch() {
    const again = async () => {
      if (!document.hidden) await this.#lookAgain();
      const isLive = ["running", "between steps"].includes(this.overview?.state);
      setTimeout(again, 1000 * (isLive || this.isGrowing ? LIVE_SECONDS : CALM_SECONDS));
    };
    setTimeout(again, 1000 * LIVE_SECONDS / 3);
  }

  async #lookAgain() {
    const before = JSON.stringify([this.overview, this.found, this.error]);
    const { place } = this;
    try {
      const [overview, found] = await this.#fetch(place);
      if (place !== this.place) return; // the user has asked for other rows meanwhile
      [this.overview, this.found, this.error] = [overview, found, ""];
    } catch (error) {
      this.error = error instanceof TypeError ? "The server has ended. Start `dataflowmm view` again." : error.message;
    }
    this.isGrowing = before !== JSON.stringify([this.overview, this.found, this.error]);
    this.isStale ||= this.isGrowing;
    if (this.isStale && !this.#isChoosing()) this.show();
  }

  /** Whether the user is about to press, choose or type in the filters, so that they must not be made anew now. */
  #isChoosing() {
    return this.isPressed || document.activeElement?.matches("select, .filters input");
  }

  #later(then) {
    clearTimeout(this.timer);
    this.timer = setTimeout(then, 120);
  }

  #keydown(event) {
    if (event.key === "Tab") this.isTabbing = true;
    if (event.key === "Escape" && event.target === this.search) this.search.blur();
    if (isTyping(event) || this.help.open) return;
    if (event.key === "Enter" && this.isTabbing && event.target.matches("button:not(.card)")) return; // presses the button
    const own = this.labelling.isOpen ? this.labelling.keys() : this.detail.isOpen ? this.#rowKeys() : this.#gridKeys();
    const action = own[event.key] ?? this.#keys()[event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  }

  #comparisons() {
    return [this.detail.comparison, this.labelling.comparison];
  }

  #keys() {
    return { "?": () => this.help.showModal() };
  }

  #gridKeys() {
    const across = Math.max(1, getComputedStyle(this.grid).gridTemplateColumns.split(" ").length);
    return {
      ArrowLeft: () => this.#select(-1), ArrowRight: () => this.#select(1), ArrowUp: () => this.#select(-across), ArrowDown: () => this.#select(across),
      h: () => this.#select(-1), l: () => this.#select(1), k: () => this.#select(-across), j: () => this.#select(across),
      Enter: () => this.found.rows[this.selected] && this.openRow(this.found.rows[this.selected].place),
      "/": () => this.search.focus(), w: () => this.change({ order: this.place.query.order === "worst" ? "" : "worst" }),
      L: () => this.source.isLive && this.openLabelling(), "[": () => this.turn(-1), "]": () => this.turn(1), g: () => this.#toggleOperations(), c: () => this.#clear(),
    };
  }

  #clear() {
    this.search.value = "";
    return this.change(unfiltered(this.place.query));
  }

  #rowKeys() {
    const { detail } = this;
    const { comparison } = detail;
    return {
      Escape: () => this.closeRow(), ArrowLeft: () => this.stepRow(-1), ArrowRight: () => this.stepRow(1), h: () => this.stepRow(-1), l: () => this.stepRow(1),
      ArrowUp: () => detail.choose(detail.chosen - 1), ArrowDown: () => detail.choose(detail.chosen + 1),
      k: () => detail.choose(detail.chosen - 1), j: () => detail.choose(detail.chosen + 1),
      s: () => comparison.set("slide"), b: () => comparison.set("beside"), d: () => comparison.set("heat"), f: () => comparison.set("flicker"),
      a: () => detail.decide("accept"), x: () => detail.decide("reject"), m: () => comparison.toggleMarks(), z: () => comparison.toggleZoom(),
      " ": (event) => {
        if (event.repeat) return;
        comparison.set("flicker");
        comparison.flick(true);
      },
    };
  }

  #select(by) {
    const next = this.selected + by;
    if (next < 0 || next >= this.found.rows.length) return;
    this.selected = next;
    this.#focus();
  }

  /** Select the card that has the focus, however it got the focus. */
  #mark(focused) {
    for (const [at, card] of [...this.grid.children].entries()) {
      card.classList.toggle("selected", card === focused);
      if (card === focused) this.selected = at;
    }
  }

  #focus() {
    const card = this.grid.children[this.selected];
    card?.focus({ preventScroll: true });
    card?.scrollIntoView({ block: "nearest" });
  }
}

const nameOf = (path) => path.split("/").filter(Boolean).pop() ?? path;

await new Page(openSource()).start();
