// Shows the segments of the level as a listbox: one stop of the Tab key, arrow keys inside.

let rows = new Map(); // segment -> its row

function showList(photo, segments, hidden, actions) {
  const list = byId("rows");
  const focused = list.contains(document.activeElement);
  rows = new Map(segments.map((segment) => [segment, row(photo, segment, actions)]));
  list.replaceChildren(...rows.values());
  list.scrollTop = 0;
  list.hidden = !segments.length;
  byId("none").hidden = Boolean(segments.length);
  const here = levelNames.length ? ["of this level", "at this level"] : ["of this kind", "of this kind"];
  byId("none").textContent = hidden ? `All segments ${here[0]} score less than the minimum.` : `No segments ${here[1]}.`;
  const first = list.firstElementChild;
  if (first) first.tabIndex = 0;
  if (focused) (first ?? byId("panel")).focus();
}

function row(photo, segment, actions) {
  const element = make("div", {
    role: "option",
    class: "row",
    tabindex: -1,
    "aria-selected": "false",
    "aria-label": `Segment ${segment.id}, ${segment.name === null ? "" : `cluster ${segment.name}, `}${share(photo, segment)} of the photo, score ${segment.score.toFixed(2)}`,
    "data-segment": segment.id,
    onpointerenter: () => actions.hover(segment),
    onpointerleave: () => actions.hover(null),
    onfocus: (event) => event.target.matches(":focus-visible") && actions.hover(segment),
    onblur: (event) => byId("panel").contains(event.relatedTarget) || actions.hover(null),
    onclick: () => actions.select(segment),
  },
  chip(segment.colour), make("span", { class: "who" }, String(segment.id), nameOf(segment)), make("span", {}, share(photo, segment)),
  make("span", {}, segment.score.toFixed(2)));
  return element;
}

const nameOf = (segment) => (segment.name === null ? null : make("small", { title: segment.name }, segment.name));

function markList(selected, hovered) {
  for (const [segment, element] of rows) {
    element.classList.toggle("hovered", segment === hovered);
    element.setAttribute("aria-selected", String(segment === selected));
  }
  const chosen = rows.get(selected);
  if (chosen) {
    tabStop(chosen);
    reveal(chosen);
  }
}

function tabStop(element) {
  for (const other of rows.values()) other.tabIndex = other === element ? 0 : -1;
}

// Scrolls inside the list only: the page stays where it is.
function reveal(element) {
  const list = byId("rows");
  const above = element.offsetTop - list.scrollTop;
  if (above < 0) list.scrollTop += above;
  else list.scrollTop += Math.max(0, above + element.offsetHeight - list.clientHeight);
}

// Handles a key of the list. Returns whether it was one.
function listKey(event, actions) {
  const here = event.target.closest("[role=option]");
  if (!here) return false;
  const all = [...rows.values()];
  const at = all.indexOf(here);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
  if (to !== undefined) {
    const next = all[Math.max(0, Math.min(all.length - 1, to))];
    tabStop(next);
    next.focus({ preventScroll: true });
    reveal(next);
  } else if (event.key === "Enter" || event.key === " ") {
    actions.select([...rows.keys()][at]);
  } else return false;
  return true;
}
