// Keeps what is shown in the address after the #, so that a link or a reload shows it again.

let waiting = null;
let written = -Infinity;

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const number = (name) => (/^\d+$/.test(given.get(name) ?? "") ? Number(given.get(name)) : null);
  const place = index.photos.findIndex((photo) => photo.id === number("photo"));
  const kind = KINDS.includes(given.get("kind")) ? given.get("kind") : null;
  return { place: place < 0 ? null : place, kind, level: number("level"), segment: number("segment") };
}

// Browsers limit how often the address may change, and a slider moves fast: at once, then every tenth of a second. What
// is still waiting when somebody goes back would hold them where they are.
function writeAddress(photo, kind, level, selected) {
  clearTimeout(waiting);
  const segment = selected ? `&segment=${selected.id}` : "";
  const hash = `#photo=${photo.id}&kind=${kind}&level=${level}${segment}`;
  if (location.hash === hash) return;
  const write = () => {
    written = performance.now();
    history.replaceState(null, "", hash);
  };
  const rest = written + 100 - performance.now();
  if (rest > 0) waiting = setTimeout(write, rest);
  else write();
}

const forgetAddress = () => clearTimeout(waiting);
