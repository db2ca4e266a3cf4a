// The actions of keys, and the overlay that lists them.

import { button, element, key } from "./dom.js";

const HELP = [
  ["Rows", [[["←", "→", "↑", "↓"], "go from card to card"], [["Enter"], "open the row"], [["/"], "search"], [["w"], "worst first, and back"],
    [["["], "page before"], [["]"], "next page"], [["g"], "by operation"], [["c"], "show all rows again"], [["L"], "label: would you train on this?"]]],
  ["One row", [[["Space"], "hold: the picture before"], [["s"], "slider"], [["b"], "side by side"], [["d"], "difference"],
    [["m"], "marks of the gates"], [["z"], "pixel by pixel"], [["←", "→"], "row before, next row"], [["↑", "↓"], "try before, next try"],
    [["a"], "accept by hand"], [["x"], "reject by hand"], [["Esc"], "back to the rows"]]],
  ["Labelling", [[["1"], "yes"], [["2"], "no"], [["3"], "unsure"], [["f", "p", "n", "a", "t", "i"], "why: following, preservation, naturalness, artefacts, text, identity"],
    [["←"], "back"], [["Space"], "hold: the picture before"]]],
];

export function helpDialog() {
  const dialog = element("dialog", { class: "help", "aria-label": "keys" });
  dialog.append(element("header", {}, element("h2", {}, "Keys"), button("×", { class: "icon", "aria-label": "close", onclick: () => dialog.close() })),
    ...HELP.map(([title, lines]) => element("section", {}, element("h3", {}, title),
      element("dl", {}, lines.map(([keys, said]) => [element("dt", {}, keys.map(key)), element("dd", {}, said)])))));
  return dialog;
}

/** Whether the user is typing into a field. */
export function isTyping(event) {
  return event.target.matches?.("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey;
}
