// Reads the data: a list of photos in one block, and one block for each photo, read when it is first shown.

const KINDS = ["instance", "semantic"];
const index = JSON.parse(byId("index").textContent);
const levelNames = index.levels;
const opened = new Map(); // by place

function photoAt(place) {
  if (!opened.has(place)) {
    if (opened.size > 8) opened.delete(opened.keys().next().value); // outlines of a few photos are enough to keep
    opened.set(place, linked(JSON.parse(byId(`photo-${place}`).textContent)));
  }
  return opened.get(place);
}

function linked(photo) {
  photo.byId = new Map(photo.segments.map((segment) => [segment.id, segment]));
  photo.segments.sort((one, other) => other.area - one.area || one.id - other.id);
  for (const segment of photo.segments) {
    segment.children = [];
    segment.parent = photo.byId.get(segment.parent) ?? null;
  }
  for (const segment of photo.segments) segment.parent?.children.push(segment); // largest first
  return photo;
}

// Returns the segments of one kind at a level, largest first.
function segmentsAt(photo, kind, level) {
  return photo.segments.filter((segment) => segment.kind === kind && segment.levels.includes(level));
}

function runsOf(segment) {
  segment.runs ??= decodeRuns(segment.counts);
  return segment.runs;
}

function outline(photo, segment) {
  segment.outline ??= outlineOf(runsOf(segment), ...photo.shown);
  return segment.outline;
}

// Returns for each pixel, down the columns, 1 + the place of the smallest segment there, or 0.
function labelMap(photo, segments) {
  const labels = new Uint16Array(photo.shown[0] * photo.shown[1]);
  segments.forEach((segment, place) => {
    const runs = runsOf(segment);
    for (let at = 0; at < runs.length; at += 2) labels.fill(place + 1, runs[at], runs[at + 1]);
  });
  return labels;
}

function levelsText(segment) {
  return segment.levels.map((level) => levelNames[level]).join(", ");
}

// Decodes COCO's compressed run lengths: 6 bits a character, 5 of them data, as differences to the run before the last one.
// Pixels are counted down the columns.

function decodeRuns(counts) {
  const lengths = [];
  for (let at = 0; at < counts.length; ) {
    let value = 0, shift = 0, more = true;
    while (more) {
      const code = counts.charCodeAt(at++) - 48;
      value |= (code & 31) << shift;
      shift += 5;
      more = (code & 32) !== 0;
      if (!more && code & 16) value |= -1 << shift;
    }
    lengths.push(lengths.length > 2 ? value + lengths[lengths.length - 2] : value);
  }
  const runs = new Uint32Array(2 * (lengths.length >> 1)); // start and end of each run of ones
  for (let run = 0, pixel = 0; 2 * run + 1 < lengths.length; run++) {
    runs[2 * run] = pixel += lengths[2 * run];
    runs[2 * run + 1] = pixel += lengths[2 * run + 1];
  }
  return runs;
}
