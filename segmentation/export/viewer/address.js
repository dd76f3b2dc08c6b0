// Keeps what is shown in the address after the #, so that a link or a reload shows it again.

let waiting = null;

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const number = (name) => (/^\d+$/.test(given.get(name) ?? "") ? Number(given.get(name)) : null);
  const place = index.photos.findIndex((photo) => photo.id === number("photo"));
  const kind = KINDS.includes(given.get("kind")) ? given.get("kind") : null;
  return { place: place < 0 ? null : place, kind, level: number("level"), segment: number("segment") };
}

// Browsers limit how often the address may change, and a slider moves fast.
function writeAddress(photo, kind, level, selected) {
  clearTimeout(waiting);
  const segment = selected ? `&segment=${selected.id}` : "";
  const hash = `#photo=${photo.id}&kind=${kind}&level=${level}${segment}`;
  waiting = setTimeout(() => location.hash !== hash && history.replaceState(null, "", hash), 100);
}

const forgetAddress = () => clearTimeout(waiting);
