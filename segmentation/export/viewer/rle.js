// COCO's compressed run lengths: 6 bits a character, 5 of them data, as differences to the run before the last one.
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
