// Compares two pictures: by a slider, side by side, by flicker, or by a heat map of their difference.

import { button, drawing, element, refill } from "./dom.js";
import { picture } from "./card.js";
import { marksOf } from "./marks.js";
import { pixelsOf } from "./pixels.js";

export const MODES = { slide: "Slide", beside: "Side by side", flicker: "Flicker", heat: "Difference" };
const LONGEST = 1024; // pixels of the heat map

export class Comparison {
  /** `onmode` is called with the name of the mode when it changes. */
  constructor({ onmode }) {
    this.onmode = onmode;
    this.mode = "slide";
    this.marks = false;
    this.zoomed = false;
    this.handle = element("span", { class: "handle", role: "slider", tabindex: 0, "aria-label": "how much of the edit is shown",
      "aria-valuemin": 0, "aria-valuemax": 100, onkeydown: (event) => this.#nudge(event) });
    this.frame = element("div", { class: "frame" });
    this.element = element("div", { class: "stage", "data-mode": this.mode }, this.frame);
    this.frame.addEventListener("pointerdown", (event) => this.#press(event));
    this.cut(50);
  }

  /** Show two pictures; `before` is empty if the result was drawn from words. */
  show(before, after, edit) {
    this.edit = edit;
    this.before = before ? picture(before, "before", { class: "before", loading: "eager", draggable: "false" }) : null;
    this.after = after ? picture(after, "after", { class: "after", loading: "eager", draggable: "false" }) : null;
    this.heat = null;
    this.overlay = drawing("svg", { class: "marks", viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
    refill(this.frame,
      element("figure", { class: "before" }, this.before, this.before ? element("figcaption", {}, "before") : null),
      element("figure", { class: "after" }, this.after ?? element("span", { class: "missing" }, "no result"),
        this.after ? element("figcaption", {}, "after") : null, this.overlay),
      this.before && this.after ? this.handle : null);
    this.element.classList.toggle("alone", !this.before || !this.after);
    for (const image of [this.before, this.after]) image?.addEventListener("load", () => this.#fit());
    this.#fit();
  }

  set(mode) {
    if (!MODES[mode]) return;
    this.mode = mode;
    this.element.dataset.mode = mode;
    this.flick(false);
    this.#fit();
    this.onmode(mode);
  }

  /** Show the picture before the edit while a key or the pointer is held down. */
  flick(isBefore) {
    this.element.classList.toggle("flick", isBefore && Boolean(this.before));
  }

  toggleMarks() {
    this.marks = !this.marks;
    this.#fit();
    this.onmode(this.mode);
  }

  toggleZoom() {
    this.zoomed = !this.zoomed;
    this.#fit();
    this.onmode(this.mode);
  }

  cut(share) {
    this.at = Math.min(100, Math.max(0, share));
    this.frame.style.setProperty("--cut", `${this.at}%`);
    this.handle.setAttribute("aria-valuenow", Math.round(this.at));
  }

  #fit() {
    const shape = [this.before, this.after].find((image) => image?.naturalWidth);
    if (!shape) return;
    this.frame.style.setProperty("--ratio", shape.naturalWidth / shape.naturalHeight);
    this.frame.style.setProperty("--width", `${shape.naturalWidth}px`);
    this.element.classList.toggle("zoomed", this.zoomed);
    const areThere = this.before?.naturalWidth && this.after?.naturalWidth;
    refill(this.overlay, ...(this.marks && areThere ? marksOf(this.before, this.after, this.edit) : []));
    if (this.mode === "heat" && areThere && !this.heat) {
      this.heat = heatOf(this.before, this.after);
      this.frame.querySelector("figure.after").append(this.heat);
    }
  }

  #press(event) {
    if (event.button !== 0 || !this.before || !this.after) return;
    if (this.mode === "flicker") {
      this.flick(true);
      const up = () => this.flick(false);
      window.addEventListener("pointerup", up, { once: true });
      window.addEventListener("pointercancel", up, { once: true });
    } else if (this.mode === "slide") {
      const move = (each) => {
        const box = this.frame.getBoundingClientRect();
        this.cut((100 * (each.clientX - box.left)) / box.width);
      };
      move(event);
      this.frame.setPointerCapture(event.pointerId);
      this.frame.addEventListener("pointermove", move);
      const end = () => this.frame.removeEventListener("pointermove", move);
      this.frame.addEventListener("pointerup", end, { once: true });
      this.frame.addEventListener("pointercancel", end, { once: true });
    }
  }

  #nudge(event) {
    const by = { ArrowLeft: -2, ArrowRight: 2, Home: -100, End: 100 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.cut(this.at + by);
  }
}

/** The modes as a row of buttons. */
export function modeButtons(comparison, { marks = true } = {}) {
  return [
    element("div", { class: "modes", role: "group", "aria-label": "how to compare" },
      Object.entries(MODES).map(([name, said]) => button(said, { "aria-pressed": String(comparison.mode === name), onclick: () => comparison.set(name) }))),
    marks ? button("Marks", { class: "toggle", "aria-pressed": String(comparison.marks), title: "what the gates measured (m)", onclick: () => comparison.toggleMarks() }) : null,
    button("1:1", { class: "toggle", "aria-pressed": String(comparison.zoomed), title: "pixel by pixel (z)", onclick: () => comparison.toggleZoom() }),
  ];
}

// Colours from dark to bright for the largest change of the three channels; in grey they have the same order.
const HEAT = [[0, 0, 4], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]];

function heatOf(before, after) {
  const { width, height, ...pixels } = pixelsOf(before, after, LONGEST);
  const canvas = element("canvas", { class: "heat", width, height });
  const context = canvas.getContext("2d");
  const shown = context.createImageData(width, height);
  for (let at = 0; at < shown.data.length; at += 4) {
    const change = Math.max(...[0, 1, 2].map((channel) => Math.abs(pixels.after[at + channel] - pixels.before[at + channel])));
    const place = Math.min(1, Math.sqrt(change / 160)) * (HEAT.length - 1);
    const [low, part] = [Math.min(HEAT.length - 2, Math.floor(place)), place - Math.min(HEAT.length - 2, Math.floor(place))];
    for (let channel = 0; channel < 3; channel += 1) {
      shown.data[at + channel] = HEAT[low][channel] * (1 - part) + HEAT[low + 1][channel] * part;
    }
    shown.data[at + 3] = 255;
  }
  context.putImageData(shown, 0, 0);
  return canvas;
}
