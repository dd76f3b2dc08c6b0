// Draws three layers over the photo: fills (the opacity slider is their CSS opacity), contours, and what is pointed at.

const LAYERS = ["fills", "lines", "focus"].map((id) => byId(id).getContext("2d"));
const [fills, lines, focus] = LAYERS;

function showPhoto(photo) {
  const [width, height] = photo.shown;
  byId("frame").style.setProperty("--ratio", width / height);
  byId("frame").style.setProperty("--widest", `${2 * width}px`);
  const image = byId("photo");
  image.hidden = !photo.photo;
  image.alt = photo.name;
  if (photo.photo) image.src = photo.photo;
  else image.removeAttribute("src");
  byId("remark").hidden = Boolean(photo.photo);
  byId("remark").textContent = `${photo.name} could not be read. Its segments are shown without it.`;
  fitLayers();
}

// Returns whether the size on the screen changed, so that all has to be drawn again.
function fitLayers() {
  const { clientWidth, clientHeight } = byId("frame");
  const width = Math.max(1, Math.round(clientWidth * devicePixelRatio));
  const height = Math.max(1, Math.round(clientHeight * devicePixelRatio));
  if (fills.canvas.width === width && fills.canvas.height === height) return false;
  for (const { canvas } of LAYERS) [canvas.width, canvas.height] = [width, height];
  return true;
}

// Clears a layer and returns how many pixels of the shown photo one pixel of the screen is.
function begin(layer, photo) {
  const { width, height } = layer.canvas;
  layer.setTransform(1, 0, 0, 1, 0, 0);
  layer.clearRect(0, 0, width, height);
  layer.setTransform(width / photo.shown[0], 0, 0, height / photo.shown[1], 0, 0);
  layer.lineJoin = "bevel"; // the outlines are smooth, and round joins take much longer
  return (photo.shown[0] / width) * devicePixelRatio;
}

function drawSegments(photo, segments) {
  const pixel = begin(fills, photo);
  fills.lineWidth = pixel; // closes the seams between neighbours
  for (const segment of segments) {
    fills.fillStyle = fills.strokeStyle = segment.colour;
    fills.fill(outline(photo, segment).fill, "evenodd");
    fills.stroke(outline(photo, segment).line);
  }
  begin(lines, photo);
  lines.lineWidth = 3.2 * pixel;
  lines.strokeStyle = "rgb(0 0 0 / 0.55)";
  for (const segment of segments) lines.stroke(outline(photo, segment).line);
  lines.lineWidth = 1.6 * pixel;
  for (const segment of segments) {
    lines.strokeStyle = `color-mix(in srgb, ${segment.colour}, white 40%)`;
    lines.stroke(outline(photo, segment).line);
  }
}

// Darkens all but the selected segment and brightens the one pointed at; the outline is dashed for those of other levels.
function drawFocus(photo, selected, hovered, isShown) {
  const pixel = begin(focus, photo);
  if (selected) {
    const veil = new Path2D();
    veil.rect(0, 0, ...photo.shown);
    veil.addPath(outline(photo, selected).fill);
    focus.fillStyle = "rgb(12 12 16 / 0.5)";
    focus.fill(veil, "evenodd");
    ring(outline(photo, selected).fill, 2 * pixel, isShown(selected) ? [] : [6 * pixel, 4 * pixel]);
  }
  if (hovered && hovered !== selected) {
    focus.fillStyle = `color-mix(in srgb, ${hovered.colour}, transparent 72%)`;
    focus.fill(outline(photo, hovered).fill, "evenodd");
    ring(outline(photo, hovered).fill, 1.7 * pixel, isShown(hovered) ? [] : [6 * pixel, 4 * pixel]);
  }
}

function ring(path, width, dashes) {
  focus.setLineDash([]);
  focus.lineWidth = 2.2 * width;
  focus.strokeStyle = "rgb(0 0 0 / 0.7)";
  focus.stroke(path);
  focus.setLineDash(dashes);
  focus.lineWidth = width;
  focus.strokeStyle = "white";
  focus.stroke(path);
}

// Returns the pixel of labelMap under the pointer, or -1.
function pixelUnder(event, photo) {
  const box = byId("focus").getBoundingClientRect();
  const x = Math.floor(((event.clientX - box.left) / box.width) * photo.shown[0]);
  const y = Math.floor(((event.clientY - box.top) / box.height) * photo.shown[1]);
  return x < 0 || y < 0 || x >= photo.shown[0] || y >= photo.shown[1] ? -1 : x * photo.shown[1] + y;
}
