// Connects pointer, keys and controls with the actions.

function listen() {
  const picture = byId("focus");
  picture.addEventListener("pointermove", (event) => event.pointerType === "touch" || actions.hover(segmentUnder(event)));
  picture.addEventListener("pointerleave", () => actions.hover(null));
  picture.addEventListener("click", (event) => actions.click(segmentUnder(event)));
  byId("level").addEventListener("input", (event) => actions.level(Number(event.target.value)));
  byId("score").addEventListener("input", (event) => {
    state.minScore = Number(event.target.value);
    showLevel();
  });
  byId("opacity").addEventListener("input", (event) => {
    state.opacity = Number(event.target.value);
    showDisplay();
  });
  for (const layer of ["fills", "lines"]) {
    byId(`show-${layer}`).addEventListener("click", () => {
      state[layer] = !state[layer];
      showDisplay();
    });
  }
  for (const button of document.querySelectorAll("[data-kind]")) {
    button.addEventListener("click", () => actions.kind(button.dataset.kind));
  }
  byId("previous").addEventListener("click", () => actions.turn(-1));
  byId("next").addEventListener("click", () => actions.turn(1));
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  byId("help").addEventListener("click", (event) => event.target === byId("help") && byId("help").close());
  byId("theme").addEventListener("click", switchTheme);
  addEventListener("keydown", onKey);
  addEventListener("hashchange", route);
  new ResizeObserver(() => {
    if (!photo || !fitLayers()) return;
    drawSegments(photo, segments);
    drawFocus(photo, state.selected, state.hinted ?? state.hovered, isShown);
  }).observe(byId("frame"));
}

function segmentUnder(event) {
  const pixel = pixelUnder(event, photo);
  return (pixel >= 0 && segments[labels[pixel] - 1]) || null;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const slider = event.target.closest?.("input[type=range]");
  if (slider && /^(Arrow|Home|End|Page)/.test(event.key)) return;
  if (event.key === "?") byId("help").showModal();
  else if (!photo) {
    if (!galleryKey(event)) return;
  } else if (!listKey(event, actions) && !photoKey(event)) return;
  event.preventDefault();
}

// Handles a key of the photo view. Returns whether it was one.
function photoKey(event) {
  const base = state.selected ?? state.hovered;
  const action = {
    ArrowLeft: () => actions.turn(-1),
    ArrowRight: () => actions.turn(1),
    ArrowUp: () => actions.level(state.level + 1),
    ArrowDown: () => actions.level(state.level - 1),
    "]": () => actions.level(state.level + 1),
    "[": () => actions.level(state.level - 1),
    p: () => actions.follow(base?.parent),
    c: () => actions.follow(base?.children[0]),
    s: () => actions.kind(state.kind === "instance" ? "semantic" : "instance"),
    Escape: () => actions.back(),
  }[event.key];
  action?.();
  return Boolean(action);
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // a page from a file may have no storage: the choice then lasts until it is closed
  }
}

function restoreTheme() {
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // as above
  }
}
