// Holds the state of the page, and draws what a change concerns.

const state = {
  place: null, // of the photo; null: the gallery
  kind: "instance",
  level: Math.max(0, Math.floor((levelNames.length - 1) / 2)), // without levels, all are at one
  minScore: 0,
  opacity: 50,
  fills: true,
  lines: true,
  hovered: null, // segment under the pointer or the focused row
  hinted: null, // segment whose button in the panel is pointed at
  selected: null,
  trail: [], // segments that were selected on the way through the tree
};
let photo = null;
let segments = []; // shown ones, largest first
let labels = null;

const isShown = (segment) => segment.kind === state.kind && segment.levels.includes(state.level);

function openPhoto({ place, kind, level, segment }) {
  const other = place !== state.place;
  state.place = place;
  state.kind = kind ?? state.kind;
  state.level = Math.min(level ?? state.level, Math.max(0, levelNames.length - 1));
  photo = photoAt(place);
  state.selected = photo.byId.get(segment) ?? null;
  state.hovered = state.hinted = null;
  state.trail = [];
  byId("gallery").hidden = byId("home").hidden = true;
  byId("viewer").hidden = byId("home").hidden = byId("turn").hidden = false;
  document.title = photo.name;
  byId("title").replaceChildren(...pathParts(photo.name));
  byId("title").title = photo.name;
  byId("place").textContent = `${place + 1} / ${index.photos.length}`;
  byId("previous").disabled = place === 0;
  byId("next").disabled = place === index.photos.length - 1;
  if (other) showPhoto(photo);
  showLevel();
}

function openGallery() {
  const last = state.place;
  forgetAddress();
  state.place = photo = null;
  byId("viewer").hidden = byId("home").hidden = byId("turn").hidden = true;
  byId("gallery").hidden = false;
  byId("title").textContent = byId("title").title = document.title = index.description;
  if (last !== null) focusThumbnail(last);
}

// Draws again after kind, level or minimum score changed.
function showLevel() {
  const all = segmentsAt(photo, state.kind, state.level);
  segments = all.filter((segment) => segment.score >= state.minScore);
  labels = labelMap(photo, segments);
  if (!segments.includes(state.hovered)) state.hovered = null;
  const number = segments.length < all.length ? `${segments.length} of ${count(all.length, "segment")}` : count(all.length, "segment");
  const text = levelNames.length ? `${levelNames[state.level]} \u2013 ${number}` : number;
  byId("level-text").textContent = text;
  byId("list-title").textContent = levelNames.length ? "Segments at this level" : number;
  byId("level").value = state.level;
  byId("level").setAttribute("aria-valuetext", `threshold ${text}`);
  byId("score").value = state.minScore;
  byId("score-text").textContent = state.minScore.toFixed(2);
  byId("focus").setAttribute("aria-label", `${photo.name}: ${number}`);
  for (const button of document.querySelectorAll("[data-kind]")) {
    button.setAttribute("aria-pressed", String(button.dataset.kind === state.kind));
  }
  drawSegments(photo, segments);
  showList(photo, segments, all.length > 0, actions);
  showFocus();
}

// Draws again after what is pointed at or selected changed.
function showFocus() {
  drawFocus(photo, state.selected, state.hinted ?? state.hovered, isShown);
  markList(state.selected, state.hinted ?? state.hovered);
  showPanel(photo, state.selected ?? state.hovered, Boolean(state.selected), state.level, actions);
  byId("focus").style.cursor = state.hovered ? "pointer" : "";
  writeAddress(photo, state.kind, state.level, state.selected);
}

function showDisplay() {
  byId("fills").style.opacity = state.opacity / 100;
  byId("fills").hidden = !state.fills;
  byId("lines").hidden = !state.lines;
  byId("show-fills").setAttribute("aria-pressed", String(state.fills));
  byId("show-lines").setAttribute("aria-pressed", String(state.lines));
  byId("opacity").value = state.opacity;
  byId("opacity-text").textContent = `${state.opacity}\u2009%`;
}

// Selects a segment, and goes to the nearest of its levels.
function goTo(segment) {
  state.selected = segment;
  state.hinted = null;
  const away = (level) => Math.abs(level - state.level);
  const level = segment.levels.reduce((best, next) => (away(next) < away(best) ? next : best));
  const minScore = Math.min(state.minScore, Math.floor(100 * segment.score) / 100);
  const same = isShown(segment) && minScore === state.minScore;
  Object.assign(state, { kind: segment.kind, level, minScore });
  if (same) showFocus();
  else showLevel();
  byId("live").textContent = `Segment ${segment.id} selected: ${count(segment.area, "pixel")}, ${share(photo, segment)} of the photo, `
    + `score ${segment.score.toFixed(2)}, level ${levelNames[state.level]}, `
    + `${segment.parent ? `parent ${segment.parent.id}` : "no parent"}, ${segment.children.length} children`;
}

const actions = {
  hover(segment) {
    if (segment === state.hovered) return;
    state.hovered = segment;
    showFocus();
  },
  hint(segment) {
    if (segment === state.hinted) return;
    state.hinted = segment;
    drawFocus(photo, state.selected, state.hinted ?? state.hovered, isShown);
    markList(state.selected, state.hinted ?? state.hovered);
  },
  select(segment) {
    state.trail = [];
    goTo(segment);
  },
  // Goes on to a parent or child; Escape comes back.
  follow(segment) {
    if (!segment) return;
    const from = state.selected ?? state.hovered;
    if (from) state.trail.push(from);
    goTo(segment);
  },
  deselect() {
    state.trail = [];
    state.selected = state.hinted = null;
    showFocus();
    byId("live").textContent = "No segment selected";
  },
  back() {
    if (state.trail.length) goTo(state.trail.pop());
    else if (state.selected) actions.deselect();
    else location.hash = "";
  },
  click(segment) {
    if (segment && segment === state.selected) actions.follow(segment.parent);
    else if (segment) actions.select(segment);
    else if (state.selected) actions.deselect();
  },
  level(level) {
    if (level < 0 || level >= levelNames.length || level === state.level) return;
    state.level = level;
    showLevel();
  },
  kind(kind) {
    if (kind === state.kind) return;
    Object.assign(state, { kind, selected: null, hovered: null, hinted: null, trail: [] });
    showLevel();
  },
  turn(step) {
    const place = state.place + step;
    if (place >= 0 && place < index.photos.length) openPhoto({ place });
  },
};

function route() {
  forgetAddress();
  const address = readAddress();
  if (address.place === null) openGallery();
  else {
    const fromGallery = state.place === null;
    openPhoto(address);
    if (fromGallery) byId("viewer").focus({ preventScroll: true });
  }
}
