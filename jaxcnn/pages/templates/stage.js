// What lies over the image: the map of a class, and the grey square that hides a part.

const HEAT = [235, 94, 40]; // the colour of maps, as in the report

// Draws a map (rows of numbers) into a canvas of as many pixels; the browser smooths it. What is not
// above zero stays clear. Returns the largest value.
export function drawMap(canvas, values) {
  const [height, width] = [values.length, values[0].length];
  const top = Math.max(...values.flat());
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  values.flat().forEach((value, i) => {
    const share = top > 0 ? Math.max(0, value / top) : 0;
    image.data.set([...HEAT, Math.round(255 * share)], 4 * i);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return top;
}

export function clearMap(canvas) {
  canvas.width = canvas.height = 1;
}

// The square: dragged by pointer, moved by arrow keys; places are in the image's pixels.
export class Square {
  constructor(element, stage, moved) {
    Object.assign(this, { element, stage, moved, image: 1, side: 1, top: 0, left: 0 });
    element.addEventListener("pointerdown", (event) => this.begin(event));
    element.addEventListener("pointermove", (event) => this.go(event));
    for (const end of ["pointerup", "pointercancel"]) {
      element.addEventListener(end, () => { this.held = null; });
    }
    element.addEventListener("keydown", (event) => this.key(event));
  }

  get shown() {
    return !this.element.hidden;
  }

  get place() {
    return { top: this.top, left: this.left, side: this.side };
  }

  show(image, share, colour) {
    this.image = image;
    this.element.style.background = colour;
    this.element.hidden = false;
    this.resize(share);
  }

  hide() {
    this.element.hidden = true;
  }

  resize(share) {
    const middle = [this.top + this.side / 2, this.left + this.side / 2];
    this.side = Math.max(1, Math.min(this.image, Math.round(this.image * share)));
    this.move(middle[0] - this.side / 2, middle[1] - this.side / 2);
  }

  centre() {
    this.move((this.image - this.side) / 2, (this.image - this.side) / 2);
  }

  move(top, left) {
    const most = this.image - this.side;
    const inside = (value) => Math.round(Math.min(most, Math.max(0, value)));
    [this.top, this.left] = [inside(top), inside(left)];
    const style = this.element.style;
    for (const [name, value] of [["top", this.top], ["left", this.left], ["width", this.side], ["height", this.side]]) {
      style[name] = `${(100 * value) / this.image}%`;
    }
    if (this.shown) this.moved();
  }

  begin(event) {
    this.element.setPointerCapture(event.pointerId);
    this.held = [event.clientX, event.clientY, this.top, this.left];
    event.preventDefault();
    this.element.focus();
  }

  go(event) {
    if (!this.held) return;
    const scale = this.image / this.stage.getBoundingClientRect().width;
    const [x, y, top, left] = this.held;
    this.move(top + (event.clientY - y) * scale, left + (event.clientX - x) * scale);
  }

  key(event) {
    const step = Math.max(1, Math.round(this.image / (event.shiftKey ? 8 : 28)));
    const moves = { ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    this.move(this.top + move[0], this.left + move[1]);
  }
}
