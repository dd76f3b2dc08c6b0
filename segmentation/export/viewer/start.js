// Fills in what never changes and shows what the address asks for.

function fillAbout() {
  const lines = Object.entries(index.about).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  byId("about").replaceChildren(...lines);
}

restoreTheme();
byId("level").max = Math.max(0, levelNames.length - 1);
byId("level").disabled = levelNames.length < 2;
for (const element of document.querySelectorAll("[data-levels]")) element.hidden = !levelNames.length;
fillAbout();
showGallery();
showDisplay();
listen();
if (!location.hash && index.photos.length === 1) history.replaceState(null, "", `#photo=${index.photos[0].id}`);
route();
