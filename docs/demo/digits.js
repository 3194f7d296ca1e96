// A digit that is drawn with the mouse, a pen or a finger is read by an exported ensemble, on this machine alone.
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = new URL("node_modules/onnxruntime-web/dist/", import.meta.url).href;

const SIDE = 8; // pixels of an image of the digits of scikit-learn, each from 0 to 16:
const CELL = 4; // how many of the 4 x 4 cells of a bitmap are inked
const PEN = 5; // width of a stroke on that bitmap of 32 x 32, with which digits have as much ink as those of the data set

const session = await ort.InferenceSession.create(new URL("digits.onnx", import.meta.url).href);

/** Labels, and the share of each digit in the vote, for images of 8 x 8 numbers from 0 to 16, one after another. */
export async function read(images) {
  const n = images.length / SIDE ** 2;
  const input = new ort.Tensor("uint8", Uint8Array.from(images), [n, 1, SIDE, SIDE]);
  const { label, share } = await session.run({ input });
  return { labels: Array.from(label.data, Number), shares: Array.from(share.data) };
}

/** The 8 x 8 numbers of strokes, scaled to the size that the digits of the data set have. */
export function pixels(strokes) {
  const side = SIDE * CELL;
  const points = strokes.flat();
  const [left, top] = [0, 1].map((axis) => Math.min(...points.map((point) => point[axis])));
  const [right, bottom] = [0, 1].map((axis) => Math.max(...points.map((point) => point[axis])));
  const scale = (side - PEN) / Math.max(right - left, bottom - top, 1);
  const bitmap = new OffscreenCanvas(side, side).getContext("2d");
  bitmap.translate(side / 2, side / 2);
  bitmap.scale(scale, scale);
  bitmap.translate(-(left + right) / 2, -(top + bottom) / 2);
  draw(bitmap, strokes, PEN / scale);
  const ink = bitmap.getImageData(0, 0, side, side).data;
  const numbers = new Array(SIDE ** 2).fill(0);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      numbers[Math.floor(y / CELL) * SIDE + Math.floor(x / CELL)] += ink[4 * (y * side + x) + 3] / 255;
    }
  }
  return numbers.map(Math.round);
}

function draw(context, strokes, width) {
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(...stroke[0]);
    for (const point of stroke) context.lineTo(...point);
    context.stroke();
  }
}

const drawing = document.getElementById("drawing");
const paper = drawing.getContext("2d");
const strokes = [];

function redraw() {
  paper.clearRect(0, 0, drawing.width, drawing.height);
  paper.strokeStyle = getComputedStyle(drawing).color;
  draw(paper, strokes, 24);
}

async function answer() {
  const seen = pixels(strokes);
  const small = document.getElementById("seen").getContext("2d");
  const image = small.createImageData(SIDE, SIDE);
  seen.forEach((number, i) => image.data.set([110, 110, 110, (255 * number) / 16], 4 * i));
  small.putImageData(image, 0, 0);
  const { labels, shares } = await read(seen);
  show(shares, labels[0]);
  document.getElementById("answer").textContent = `This is a ${labels[0]}.`;
}

function show(shares, best) {
  const rows = shares.map((share, digit) => {
    const row = document.createElement("li");
    const meter = document.createElement("meter");
    meter.value = share;
    meter.setAttribute("aria-hidden", "true");
    row.append(`${digit}`, meter, `${Math.round(100 * share)} %`);
    row.classList.toggle("best", digit === best);
    return row;
  });
  document.getElementById("shares").replaceChildren(...rows);
}

drawing.addEventListener("pointerdown", (event) => {
  drawing.setPointerCapture(event.pointerId);
  strokes.push([[event.offsetX, event.offsetY]]);
  redraw();
});
drawing.addEventListener("pointermove", (event) => {
  if (!drawing.hasPointerCapture(event.pointerId)) return;
  strokes.at(-1).push([event.offsetX, event.offsetY]);
  redraw();
});
drawing.addEventListener("pointerup", answer);
document.getElementById("clear").addEventListener("click", () => {
  strokes.length = 0;
  redraw();
  show(new Array(10).fill(0));
  document.getElementById("seen").getContext("2d").clearRect(0, 0, SIDE, SIDE);
  document.getElementById("answer").textContent = "Nothing is drawn.";
});

show(new Array(10).fill(0));
document.getElementById("about").textContent =
  "Members of one exported ensemble vote on what you draw. Nothing leaves this machine.";
document.body.dataset.ready = "yes";
