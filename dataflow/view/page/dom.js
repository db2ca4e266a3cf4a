// Makes elements of values. Text is always set as text, so nothing that a row holds can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties and children; a child that is null or false is left out. */
export function element(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** An element of an SVG drawing with attributes and children. */
export function drawing(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, each] of Object.entries(value)) node.style.setProperty(key, each);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Replace the children of an element. */
export function refill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function button(label, properties = {}, ...children) {
  return element("button", { type: "button", ...properties }, label, ...children);
}

/** A key's name as keyboards show it. */
export function key(name) {
  return element("kbd", {}, name);
}
