// A drawing pad: white strokes on black, made into a small grey image as the network's own are.

export class Pad {
  // `changed` is called with a PNG of the drawing when a stroke ends.
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.changed = changed;
    this.clear();
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.go(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => this.end());
    }
  }

  // `form` is {side, box, middle}: see Drawing of jaxcnn/pages/network.py.
  use(form) {
    this.form = form;
    this.clear();
  }

  clear() {
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.last = null;
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  begin(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.last = this.place(event);
    this.line(this.last, this.last);
    event.preventDefault();
  }

  go(event) {
    if (!this.last) return;
    const here = this.place(event);
    this.line(this.last, here);
    this.last = here;
  }

  line(from, to) {
    const pen = this.context;
    pen.strokeStyle = "#fff";
    pen.lineWidth = 16 + 176 / this.form.box; // about 1.5 pixels of 8, 2.5 of 20
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(to[0] + 0.01, to[1]);
    pen.stroke();
  }

  async end() {
    if (!this.last) return;
    this.last = null;
    const image = this.image();
    if (image) this.changed(await image);
  }

  // A promise of the PNG, or null where nothing is drawn.
  image() {
    const { width, height } = this.canvas;
    const pixels = this.context.getImageData(0, 0, width, height).data;
    const ink = new Float32Array(width * height).map((_, i) => pixels[4 * i]);
    const small = shrink(ink, width, height, this.form);
    if (!small) return null;
    const side = this.form.side;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    const data = new ImageData(side, side);
    small.forEach((value, i) => data.data.set([value, value, value, 255], 4 * i));
    canvas.getContext("2d").putImageData(data, 0, 0);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  }
}

// Ink [height * width] as an image of side * side: its box is scaled to `box` pixels, and its middle
// put into the image's. Each new pixel is the mean of those that it covers. Null without ink.
export function shrink(ink, width, height, { side, box, middle }) {
  let [top, left, bottom, right] = [height, width, -1, -1];
  let [mass, rows, columns] = [0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = ink[y * width + x];
      if (!value) continue;
      top = Math.min(top, y); bottom = Math.max(bottom, y + 1);
      left = Math.min(left, x); right = Math.max(right, x + 1);
      mass += value; rows += value * (y + 0.5); columns += value * (x + 0.5);
    }
  }
  if (!mass) return null;
  const step = Math.max(bottom - top, right - left) / box; // old pixels a new one covers
  const [y0, x0] = middle === "mass" ? [rows / mass, columns / mass]
    : [(top + bottom) / 2, (left + right) / 2];
  const small = new Uint8ClampedArray(side * side);
  for (let i = 0; i < side; i++) {
    for (let j = 0; j < side; j++) {
      const from = [y0 + (i - side / 2) * step, x0 + (j - side / 2) * step];
      small[i * side + j] = mean(ink, width, height, from, step);
    }
  }
  return small;
}

function mean(ink, width, height, [top, left], step) {
  const points = Math.max(2, Math.ceil(step));
  let sum = 0;
  for (let i = 0; i < points; i++) {
    for (let j = 0; j < points; j++) {
      const y = Math.floor(top + ((i + 0.5) / points) * step);
      const x = Math.floor(left + ((j + 0.5) / points) * step);
      if (y >= 0 && y < height && x >= 0 && x < width) sum += ink[y * width + x];
    }
  }
  return sum / points ** 2;
}
