// Shows the photos as thumbnails. Each is a link, so that the browser's own keys and menus work.

function showGallery() {
  const shown = index.photos.length;
  const all = shown < index.total ? `${shown} of ${count(index.total, "photo")}` : count(shown, "photo");
  byId("lead").textContent = shown ? `${all}. Choose one to see its segments.` : "There are no photos in this folder.";
  byId("grid").replaceChildren(...index.photos.map((photo, place) => make("li", {}, thumbnail(photo, place))));
}

function thumbnail(photo, place) {
  const counts = KINDS.filter((kind) => photo.segments[kind]).map((kind) => `${photo.segments[kind]} ${kind}`);
  const picture = photo.thumbnail
    ? make("img", { src: photo.thumbnail, alt: "", decoding: "async" })
    : make("span", { class: "missing" }, "not readable");
  return make("a", { href: `#photo=${photo.id}`, "data-place": place },
    make("span", { class: "picture" }, picture),
    make("span", { class: "name", title: photo.name }, ...pathParts(photo.name)),
    make("span", { class: "quiet" }, counts.length ? counts.join(" \u00b7 ") : "no segments"));
}

function focusThumbnail(place) {
  byId("grid").querySelectorAll("a")[place]?.focus();
}

// Moves the focus over the grid by arrow keys. Returns whether the key was one.
function galleryKey(event) {
  const links = [...byId("grid").querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  const columns = links.filter((link) => link.offsetTop === links[0].offsetTop).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (step === undefined || !links.length) return false;
  links[at < 0 ? 0 : Math.max(0, Math.min(links.length - 1, at + step))].focus();
  return true;
}
