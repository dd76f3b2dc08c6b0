// Finds and makes elements. Everything from the data goes in as text, never as HTML.

const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function chip(colour) {
  const element = make("span", { class: "chip", "aria-hidden": "true" });
  element.style.backgroundColor = colour;
  return element;
}

// Splits a path such that its folder is cut first where there is no room: photos differ at the end of their names.
function pathParts(path) {
  const file = path.lastIndexOf("/") + 1;
  return [make("span", { class: "folder" }, path.slice(0, file)), make("span", { class: "file" }, path.slice(file))];
}

const count = (number, thing) => `${number.toLocaleString("en")} ${thing}${number === 1 ? "" : "s"}`;

function percent(part) {
  const value = 100 * part;
  return value > 0 && value < 0.1 ? "< 0.1\u2009%" : `${value.toFixed(1)}\u2009%`;
}
