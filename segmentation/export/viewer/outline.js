// Traces the outline of a mask as smooth closed lines, in pixels of the shown photo.

// Follows the cracks between inside and outside, inside on the right hand. Directions: right, down, left, up.
// The pixel whose corner (x, y) is the top left one is (x, y).
const STEP_X = [1, 0, -1, 0], STEP_Y = [0, 1, 0, -1];
const AHEAD_X = [0, -1, -1, 0], AHEAD_Y = [0, 0, -1, -1]; // the pixel ahead on the right hand
const ASIDE_X = [0, 0, -1, -1], ASIDE_Y = [-1, 0, 0, -1]; // the pixel ahead on the left hand

function outlineOf(runs, width, height) {
  const box = boxOf(runs, height);
  const rows = box.bottom - box.top + 2; // one empty pixel around, so that no neighbour needs a check
  const inside = new Uint8Array(rows * (box.right - box.left + 2));
  for (let at = 0; at < runs.length; at += 2) {
    for (let pixel = runs[at]; pixel < runs[at + 1]; ) { // a run may go on in the next column
      const column = Math.floor(pixel / height);
      const stop = Math.min(runs[at + 1], (column + 1) * height);
      const start = (column - box.left + 1) * rows - box.top + 1 - column * height;
      inside.fill(1, start + pixel, start + stop);
      pixel = stop;
    }
  }
  const fill = new Path2D(), line = new Path2D();
  const seen = new Uint8Array(inside.length); // top cracks that a loop went along
  for (let pixel = 1; pixel < inside.length; pixel++) {
    if (!inside[pixel] || inside[pixel - 1] || seen[pixel]) continue;
    const loop = follow(inside, seen, rows, pixel);
    for (let point = 0; point < loop.length; point += 2) {
      loop[point] += box.left - 1;
      loop[point + 1] += box.top - 1;
    }
    draw(smooth(loop, width, height), width, height, fill, line);
  }
  return { fill, line };
}

function boxOf(runs, height) {
  let top = height, bottom = 0;
  for (let at = 0; at < runs.length; at += 2) {
    const first = runs[at] % height, length = runs[at + 1] - runs[at];
    if (first + length > height) [top, bottom] = [0, height];
    top = Math.min(top, first);
    bottom = Math.max(bottom, first + length);
  }
  const left = runs.length ? Math.floor(runs[0] / height) : 0;
  const right = runs.length ? Math.floor((runs[runs.length - 1] - 1) / height) + 1 : 0;
  return { left, right, top, bottom: Math.min(bottom, height) };
}

function follow(inside, seen, rows, start) {
  const startX = Math.floor(start / rows), startY = start % rows;
  const middles = [];
  let x = startX, y = startY, direction = 0;
  do {
    if (direction === 0) seen[x * rows + y] = 1;
    middles.push(x + STEP_X[direction] / 2, y + STEP_Y[direction] / 2);
    x += STEP_X[direction];
    y += STEP_Y[direction];
    const ahead = (x + AHEAD_X[direction]) * rows + y + AHEAD_Y[direction];
    const aside = (x + ASIDE_X[direction]) * rows + y + ASIDE_Y[direction];
    if (!inside[ahead]) direction = (direction + 1) % 4;
    else if (inside[aside]) direction = (direction + 3) % 4;
  } while (x !== startX || y !== startY || direction !== 0);
  return middles;
}

// Smooths a loop by two passes of the weights 1 2 1. Points on the border of the photo stay there, and so do loops of a
// few pixels, which would vanish.
function smooth(loop, width, height) {
  const size = loop.length;
  if (size < 32) return loop;
  for (let pass = 0; pass < 2; pass++) {
    const before = loop;
    loop = new Float32Array(before);
    for (let x = 0, y = 1; x < size; x += 2, y += 2) {
      if (before[x] === 0 || before[x] === width || before[y] === 0 || before[y] === height) continue;
      loop[x] = before[(x + size - 2) % size] / 4 + before[x] / 2 + before[(x + 2) % size] / 4;
      loop[y] = before[(y + size - 2) % size] / 4 + before[y] / 2 + before[(y + 2) % size] / 4;
    }
  }
  return loop;
}

// Adds a loop to the paths: the fill is closed, the line leaves out what runs along the border of the photo.
function draw(loop, width, height, fill, line) {
  const atBorder = (x, y) => x < 0.3 || y < 0.3 || x > width - 0.3 || y > height - 0.3;
  const size = loop.length;
  fill.moveTo(loop[0], loop[1]);
  line.moveTo(loop[0], loop[1]);
  let along = atBorder(loop[0], loop[1]), keptX = loop[0], keptY = loop[1], beside = 0;
  for (let at = 2; at <= size; at += 2) {
    const x = loop[at % size], y = loop[(at + 1) % size], nextX = loop[(at + 2) % size], nextY = loop[(at + 3) % size];
    const border = atBorder(x, y);
    // leave points out as long as the area between them and the straight way stays below 0.1 pixels
    beside += Math.abs((x - keptX) * (nextY - y) - (y - keptY) * (nextX - x)) / 2;
    if (at < size && border === along && beside < 0.1) continue;
    beside = 0;
    fill.lineTo(x, y);
    if (border && along) line.moveTo(x, y);
    else line.lineTo(x, y);
    [keptX, keptY, along] = [x, y, border];
  }
  fill.closePath();
}
