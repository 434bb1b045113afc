// What evaluation does to an image before the network sees it, to the pixel: the resizing of Pillow,
// in whole numbers as it computes, and the cut of jaxcnn/data/images/views.py. Columns come first,
// then rows; Pillow 13 takes tall images the other way round, which rounds differently.

const BITS = 22; // of the fixed-point weights: 32, less 8 of a pixel, less 2 for overshoot
const FILTERS = {
  bilinear: [1, (x) => (x < 1 ? 1 - x : 0)],
  bicubic: [2, (x) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0)],
};

// [{first, weights}] of each new pixel of a line that goes from `from` to `to` pixels.
function weightsOf(from, to, interpolation) {
  const [reach, filter] = FILTERS[interpolation];
  const scale = from / to;
  const stretch = Math.max(1, scale);
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach * stretch + 0.5));
    const last = Math.min(from, Math.trunc(centre + reach * stretch + 0.5));
    const shares = [];
    for (let x = first; x < last; x++) shares.push(filter(Math.abs((x - centre + 0.5) / stretch)));
    const sum = shares.reduce((a, b) => a + b, 0);
    const weights = shares.map((share) => {
      const value = (share / sum) * 2 ** BITS;
      return Math.trunc(value + (value < 0 ? -0.5 : 0.5));
    });
    return { first, weights };
  });
}

// An image is {height, width, channels, data: Uint8Array}.
export function resize(image, height, width, interpolation) {
  let found = image;
  if (width !== found.width) found = across(found, weightsOf(found.width, width, interpolation));
  if (height !== found.height) found = down(found, weightsOf(found.height, height, interpolation));
  return found;
}

const rounded = (sum) => Math.max(0, Math.min(255, Math.floor((sum + 2 ** (BITS - 1)) / 2 ** BITS)));

function across({ height, width, channels, data }, lines) {
  const made = new Uint8Array(height * lines.length * channels);
  for (let y = 0; y < height; y++) {
    lines.forEach(({ first, weights }, x) => {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i] * data[(y * width + first + i) * channels + c];
        made[(y * lines.length + x) * channels + c] = rounded(sum);
      }
    });
  }
  return { height, width: lines.length, channels, data: made };
}

function down({ width, channels, data }, lines) {
  const row = width * channels;
  const made = new Uint8Array(lines.length * row);
  lines.forEach(({ first, weights }, y) => {
    for (let x = 0; x < row; x++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * data[(first + i) * row + x];
      made[y * row + x] = rounded(sum);
    }
  });
  return { height: lines.length, width, channels, data: made };
}

export function cut({ width, channels, data }, top, left, height, columns) {
  const made = new Uint8Array(height * columns * channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * width + left) * channels;
    made.set(data.subarray(from, from + columns * channels), y * columns * channels);
  }
  return { height, width: columns, channels, data: made };
}

// Python's round: halves go to the even number.
function even(value) {
  const whole = Math.floor(value);
  return value - whole === 0.5 ? whole + (whole % 2) : Math.round(value);
}

// The view of an image: {height: S, width: S, channels, data}; `how` is a checkpoint's preprocessing.
export function evalView(image, how) {
  const inner = how.image_size - 2 * how.pad;
  const short = even(inner / how.crop_fraction);
  let found = framed(image, short, how);
  const [top, left] = [found.height, found.width].map((side) => even((side - inner) / 2));
  found = cut(found, top, left, inner, inner);
  return how.pad ? padded(found, how.pad) : found;
}

function framed(image, short, how) {
  if (how.frame === "warp") return resize(image, short, short, how.interpolation);
  const { height, width } = image;
  const size = height < width ? [short, Math.max(short, Math.trunc((short * width) / height))]
    : [Math.max(short, Math.trunc((short * height) / width)), short];
  const scaled = resize(image, ...size, how.interpolation);
  if (how.frame !== "square") return scaled;
  const [top, left] = size.map((side) => even((side - short) / 2));
  return cut(scaled, top, left, short, short);
}

function padded({ height, width, channels, data }, pad) {
  const side = width + 2 * pad;
  const made = new Uint8Array((height + 2 * pad) * side * channels);
  for (let y = 0; y < height; y++) {
    made.set(data.subarray(y * width * channels, (y + 1) * width * channels), ((y + pad) * side + pad) * channels);
  }
  return { height: height + 2 * pad, width: side, channels, data: made };
}
