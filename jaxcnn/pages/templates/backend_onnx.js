// The network behind the page: this one runs in the browser, by onnxruntime-web.

import * as ort from "./ort/ort.wasm.bundle.min.mjs";
import { evalView } from "./resize.js";

export const PRIVACY = "The network runs in this browser; images do not leave it.";
export const LIMIT = 64 * 2 ** 20; // bytes of a file
const PIXELS = 2 ** 26; // of an image that is decoded
const LONGEST = 16; // long side over short side above which the ends are left out
const TOP = 5;
const sessions = new Map();
const views = new Map(); // the newest image of each model: {name, view, map}
let serial = 0;

const bytesOf = async (address) => {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} is missing beside the page`);
  return response.arrayBuffer();
};

let runtime = null;

async function ready() {
  ort.env.wasm.numThreads = 1; // threads would need headers that a plain file server does not send
  ort.env.wasm.wasmBinary = await bytesOf("ort/ort-wasm-simd-threaded.wasm");
}

function session(model) {
  runtime ||= ready();
  if (!sessions.has(model.file)) {
    const made = runtime.then(() => bytesOf(model.file)).then((file) => ort.InferenceSession.create(file));
    sessions.set(model.file, made);
  }
  return sessions.get(model.file);
}

export async function about() {
  const response = await fetch("models.json");
  if (!response.ok) throw new Error("models.json is missing beside the page");
  return response.json();
}

// A view's pixels -> {logits [K], map}; the map is null where the network has none.
async function run(model, data) {
  const { image_size: side, channels } = model.preprocessing;
  const images = new ort.Tensor("uint8", data, [1, side, side, channels]);
  const found = await (await session(model)).run({ images });
  if (!found.class_map) return { logits: found.logits.data, map: null };
  return { logits: meanOf(found.class_map), map: found.class_map };
}

// Logits [K] of a class map [1, h, w, K]: its mean over the positions.
function meanOf({ data, dims: [, height, width, classes] }) {
  const logits = new Float64Array(classes);
  data.forEach((value, i) => { logits[i % classes] += value / (height * width); });
  return logits;
}

function softmax(logits) {
  const top = Math.max(...logits);
  const raised = Array.from(logits, (value) => Math.exp(value - top));
  const sum = raised.reduce((a, b) => a + b, 0);
  return raised.map((value) => value / sum);
}

export async function classify(model, blob) {
  const image = await decoded(blob, model.preprocessing.channels);
  const view = evalView(image, model.preprocessing);
  const { logits, map: found } = await run(model, view.data);
  const probabilities = softmax(logits);
  const order = probabilities.map((_, k) => k).sort((a, b) => probabilities[b] - probabilities[a]);
  const name = String(++serial);
  views.set(model.file, { name, view, map: found });
  const top = order.slice(0, TOP).map((k) => answerOf(model, k, probabilities));
  return { image: name, view: shown(view), top };
}

const answerOf = (model, k, probabilities) =>
  ({ class: k, name: model.names[k], probability: probabilities[k] });

// The pixels of an image file as it is stored: no colour management, turned as EXIF says.
async function decoded(blob, channels) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Error("The file is no image that this browser can read, or it is damaged");
  }
  const { height, width } = bitmap;
  if (height * width > PIXELS) throw new Error(`The image has ${height} x ${width} pixels, too many for a browser`);
  const [across, down] = [width - LONGEST * height, height - LONGEST * width].map((d) => Math.max(0, d >> 1));
  const canvas = new OffscreenCanvas(width - 2 * across, height - 2 * down);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(bitmap, -across, -down);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  const made = new Uint8Array(canvas.width * canvas.height * channels);
  for (let i = 0; i < canvas.width * canvas.height; i++) {
    const [red, green, blue] = data.subarray(4 * i, 4 * i + 3);
    if (channels === 3) made.set([red, green, blue], 3 * i);
    else made[i] = (red * 9798 + green * 19235 + blue * 3735 + 16384) >> 15; // ITU-R 601
  }
  return { height: canvas.height, width: canvas.width, channels, data: made };
}

function shown({ height, width, channels, data }) {
  const canvas = document.createElement("canvas");
  [canvas.height, canvas.width] = [height, width];
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = data[i * channels + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.toDataURL("image/png");
}

function held(model, image) {
  const found = views.get(model.file);
  if (!found || found.name !== image) throw new Error("This image is no longer held; choose it again");
  return found;
}

// The class's slice of the class map, less its bias: the class activation map.
export async function map(model, image, number) {
  const { map: found } = held(model, image);
  const [, height, width, classes] = found.dims;
  const values = Array.from({ length: height }, (_, y) => Array.from({ length: width },
    (__, x) => found.data[(y * width + x) * classes + number] - model.bias[number]));
  return { values, method: model.method, unit: "logit" };
}

export async function occlude(model, image, number, { top, left, side }) {
  const { view } = held(model, image);
  const data = view.data.slice();
  for (let y = top; y < top + side; y++) {
    for (let x = left; x < left + side; x++) data.set(model.fill, (y * view.width + x) * view.channels);
  }
  const { logits } = await run(model, data);
  const probabilities = softmax(logits);
  const best = probabilities.indexOf(Math.max(...probabilities));
  return { probabilities, best: answerOf(model, best, probabilities) };
}
