// The demo's page. Text from a network or a dataset is set as text, never as markup.

import * as backend from "./backend.js";
import { Pad } from "./drawing.js";
import { Square, clearMap, drawMap } from "./stage.js";

const SHARP = 64; // pixels of a side up to which an image's own pixels are shown
const at = (id) => document.getElementById(id);
const state = { models: [], model: null, answer: null, chosen: null, job: 0 };
const pad = new Pad(at("pad"), classify);
const square = new Square(at("square"), at("stage"), () => occlude());

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function tell(text) {
  at("message").textContent = text;
  at("message").hidden = !text;
}

// Runs `work` and shows its error; the answer of an older call is dropped.
async function attempt(work) {
  const job = ++state.job;
  at("work").classList.add("busy");
  try {
    const answer = await work();
    if (job === state.job) tell("");
    return job === state.job ? answer : null;
  } catch (error) {
    if (job === state.job) tell(sentence(error));
    return null;
  } finally {
    if (job === state.job) at("work").classList.remove("busy");
  }
}

function sentence(said) {
  const text = String(said.message || said);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

async function start() {
  const { models } = await backend.about();
  state.models = models;
  const group = at("networks");
  group.hidden = models.length < 2;
  models.forEach((model) => {
    const button = make("button", { type: "button", textContent: model.title || model.name });
    button.addEventListener("click", () => use(model));
    group.append(button);
    model.button = button;
  });
  at("privacy").textContent = backend.PRIVACY;
  use(models[0]);
}

function use(model) {
  Object.assign(state, { model, answer: null, chosen: null });
  state.models.forEach((one) => one.button.setAttribute("aria-pressed", one === model));
  at("title").textContent = model.title || model.name;
  const step = model.step ? ` for ${model.step.toLocaleString("en")} steps` : "";
  const trained = model.dataset ? `Trained on ${model.dataset}${step}. ` : "";
  at("facts").textContent = `${trained}It tells ${model.classes.toLocaleString("en")} classes apart.`;
  document.title = `jaxcnn: try ${model.name}`;
  at("draw").hidden = !model.drawing;
  if (model.drawing) pad.use(model.drawing);
  at("pad-hint").hidden = false;
  at("work").hidden = true;
  at("hide").checked = false;
  tell("");
  showExamples(model);
}

function showExamples(model) {
  at("examples").hidden = !model.examples.length;
  at("credit").textContent = model.credit || "";
  at("credit").hidden = !model.credit;
  const items = model.examples.map(({ name, picture }) => {
    const image = make("img", { src: picture, alt: "" });
    image.classList.toggle("small-picture", model.side <= SHARP);
    const button = make("button", { type: "button", title: name, ariaLabel: `Example: ${name}` }, image);
    button.addEventListener("click", async () => classify(await blobOf(picture)));
    return make("li", {}, button);
  });
  at("examples").querySelector("ul").replaceChildren(...items);
}

// The bytes behind a data URI; another address is fetched.
async function blobOf(address) {
  const [head, body] = address.split(",");
  if (!head.startsWith("data:")) return (await fetch(address)).blob();
  const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: head.slice(5, head.indexOf(";")) });
}

async function classify(blob) {
  if (!blob) return;
  if (backend.LIMIT && blob.size > backend.LIMIT) {
    tell(`The image has ${Math.round(blob.size / 2 ** 20)} MiB; at most ${backend.LIMIT / 2 ** 20} are read.`);
    return;
  }
  const answer = await attempt(() => backend.classify(state.model, blob));
  if (!answer) return;
  state.answer = answer;
  at("view").src = answer.view;
  at("view").classList.toggle("pixels", state.model.side <= SHARP);
  at("work").hidden = false;
  const [best] = answer.top;
  at("summary").textContent = `Most probable: ${best.name}, ${percent(best.probability)}`;
  at("hint").textContent = state.model.method ? "Choose a class to see where the network finds evidence for it." : "";
  at("top").replaceChildren(...answer.top.map(row));
  at("square-said").textContent = "";
  if (at("hide").checked) showSquare();
  choose(best.class);
  neighbours();
}

function row(entry) {
  const fill = make("span", { className: "fill" });
  const before = make("span", { className: "before", hidden: true });
  entry.parts = { fill, before, share: make("span", { className: "share" }) };
  const track = make("span", { className: "track", ariaHidden: "true" }, fill, before);
  const name = make("span", { className: "name", textContent: entry.name });
  const button = make("button", { type: "button" }, name, entry.parts.share, track);
  button.addEventListener("click", () => choose(entry.class));
  entry.button = button;
  setShare(entry, entry.probability);
  return make("li", {}, button);
}

// Shows a probability; while a square hides a part, a line marks the one without it.
function setShare(entry, share) {
  entry.parts.share.textContent = percent(share);
  entry.parts.fill.style.width = `${100 * share}%`;
  entry.parts.before.hidden = share === entry.probability;
  entry.parts.before.style.left = `calc(${100 * entry.probability}% - 1px)`;
}

async function choose(number) {
  const { model, answer } = state;
  state.chosen = number;
  answer.top.forEach((entry) => entry.button.setAttribute("aria-pressed", entry.class === number));
  clearMap(at("heat"));
  at("stage").classList.remove("mapped");
  at("map-said").textContent = "";
  at("strength-row").hidden = !model.method;
  if (square.shown) occlude();
  if (!model.method) return;
  try {
    const map = await backend.map(model, answer.image, number);
    if (state.answer !== answer || state.chosen !== number) return;
    const top = drawMap(at("heat"), map.values);
    const name = answer.top.find((entry) => entry.class === number).name;
    const strongest = top > 0 ? `at most ${top.toPrecision(3)} (${map.unit})` : "nothing above zero";
    at("map-said").textContent = sentence(`${map.method}, evidence for ${name}: ${strongest}`);
    at("stage").classList.toggle("mapped", top > 0);
  } catch (error) {
    tell(sentence(error));
  }
}

async function neighbours() {
  at("near").hidden = !state.model.neighbours;
  if (!state.model.neighbours) return;
  const answer = state.answer;
  try {
    const found = await backend.neighbours(state.model, answer.image);
    if (state.answer !== answer) return;
    const items = found.images.map(({ picture, name, distance, key }) => make("li", { title: key },
      make("img", { src: picture, alt: "" }),
      make("p", {}, make("b", { textContent: name }), make("br"), `${distance.toPrecision(3)}`)));
    at("near").querySelector("ul").replaceChildren(...items);
    at("near-said").textContent = `Of the split ${found.split}, by distance in ${found.layer}.`;
  } catch (error) {
    tell(sentence(error));
  }
}

function showSquare() {
  square.show(state.model.side, at("size").value / 100, state.model.grey);
}

let asked = null; // the newest place of the square that waits for its turn
let asking = false;

// Asks what the network says behind the square; while an answer is under way only the newest waits.
async function occlude() {
  if (!square.shown || !state.answer) return;
  asked = { answer: state.answer, number: state.chosen, place: square.place };
  if (asking) return;
  asking = true;
  try {
    while (asked) {
      const job = asked;
      asked = null;
      const said = await backend.occlude(state.model, job.answer.image, job.number, job.place);
      if (job.answer === state.answer && square.shown) showOccluded(job.number, said);
    }
  } catch (error) {
    tell(sentence(error));
  } finally {
    asking = false;
  }
}

function showOccluded(number, { probabilities, best }) {
  const { top } = state.answer;
  top.forEach((entry) => setShare(entry, probabilities[entry.class]));
  const entry = top.find((one) => one.class === number);
  const change = `${entry.name}: ${percent(entry.probability)} without the square, ${percent(probabilities[number])} with it`;
  const other = best.class === top[0].class ? "" : `; now the answer is ${best.name}`;
  at("square-said").textContent = `${change}${other}.`;
}

at("hide").addEventListener("change", () => {
  at("size-row").hidden = !at("hide").checked;
  if (!state.answer) return;
  if (at("hide").checked) {
    showSquare();
    square.centre();
    return;
  }
  square.hide();
  state.answer.top.forEach((entry) => setShare(entry, entry.probability));
  at("square-said").textContent = "";
});
at("size").addEventListener("input", () => square.resize(at("size").value / 100));
const strength = () => at("stage").style.setProperty("--strength", at("strength").value / 100);
at("strength").addEventListener("input", strength);
strength();
at("clear").addEventListener("click", () => { pad.clear(); at("work").hidden = true; at("pad-hint").hidden = false; });
at("pad").addEventListener("pointerdown", () => { at("pad-hint").hidden = true; });
at("file").addEventListener("change", () => { classify(at("file").files[0]); at("file").value = ""; });

function imageOf(transfer) {
  return [...transfer.files].find((file) => file.type.startsWith("image/") || !file.type) || transfer.files[0];
}

addEventListener("dragover", (event) => { event.preventDefault(); at("drop").classList.add("over"); });
addEventListener("dragleave", () => at("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  classify(imageOf(event.dataTransfer));
});
addEventListener("paste", (event) => classify(imageOf(event.clipboardData)));

start().catch((error) => {
  at("title").textContent = "The network could not be loaded";
  tell(sentence(error));
});
