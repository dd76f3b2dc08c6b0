// Shows the numbers of one segment, with buttons that go to its parent and children.

function showPanel(photo, segment, selected, level, actions) {
  const panel = byId("panel");
  const focused = panel.contains(document.activeElement);
  if (!segment) {
    panel.replaceChildren(
      make("h2", {}, "No segment selected"),
      make("p", { class: "quiet" }, "Point at a segment to see its numbers. Click it to keep it here.")
    );
    return;
  }
  const levels = segment.levels.map((at) => {
    const marks = at === level ? { class: "here", title: "the level shown" } : {};
    return make("span", marks, levelNames[at]);
  });
  const parent = segment.parent ? link(photo, segment.parent, actions) : make("span", { class: "quiet" }, "none");
  const children = segment.children.length
    ? make("div", { class: "links" }, ...segment.children.map((child) => link(photo, child, actions)))
    : make("span", { class: "quiet" }, "none");
  panel.replaceChildren(
    make("h2", {}, chip(segment.colour), `Segment ${segment.id}`,
      make("small", {}, selected ? "selected" : "under the pointer"),
      selected ? deselectButton(actions) : null),
    make("dl", {},
      ...entry("Area", `${segment.area.toLocaleString("en")} px`, make("span", { class: "quiet" }, ` \u00b7 ${share(photo, segment)}`)),
      ...entry("Score", segment.score.toFixed(2)),
      ...(segment.name === null ? [] : entry("Cluster", segment.name)),
      ...(levelNames.length ? entry("Lives at", make("span", { class: "lives" }, ...levels)) : []),
      ...entry("Parent", parent),
      ...entry("Children", children))
  );
  if (focused) (panel.querySelector(".link") ?? panel).focus(); // the button that was pressed is gone
}

function deselectButton(actions) {
  return make("button", { type: "button", class: "close", "aria-label": "Deselect", title: "Esc", onclick: actions.deselect },
    "\u00d7");
}

const entry = (name, ...values) => [make("dt", {}, name), make("dd", {}, ...values)];

const share = (photo, segment) => percent(segment.area / (photo.width * photo.height));

function link(photo, segment, actions) {
  return make("button", {
    type: "button",
    class: "link",
    "data-segment": segment.id,
    "aria-label": `Segment ${segment.id}, ${share(photo, segment)} of the photo`,
    title: levelNames.length ? `lives at ${levelsText(segment)}` : segment.name,
    onclick: () => actions.follow(segment),
    onpointerenter: () => actions.hint(segment),
    onpointerleave: () => actions.hint(null),
    onfocus: (event) => event.target.matches(":focus-visible") && actions.hint(segment),
    onblur: () => actions.hint(null),
  }, chip(segment.colour), String(segment.id));
}
