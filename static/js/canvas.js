// Lets a visitor draw, and hands the drawing to the form a moment after each stroke.

const PAUSE_MS = 250; // long enough to begin the next stroke
const STROKE = 1 / 13; // of the canvas's side
const INK = 20 / 28; // the drawing's share of the picture's side, as in the handwritten digits of MNIST

export function draw(canvas, { form = canvas.closest("form"), pause = PAUSE_MS } = {}) {
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  let timer;
  let last = null; // where the pen is while it is down

  form.addEventListener("reset", clear);
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    lineTo(last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last === null) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) lineTo(place(each));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (last === null) return;
      last = null;
      timer = setTimeout(handOver, pause);
    });
  }
  clear();

  function clear() {
    clearTimeout(timer);
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.strokeStyle = "#fff";
    pen.lineWidth = canvas.width * STROKE;
    pen.lineCap = pen.lineJoin = "round";
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * canvas.width,
      y: ((event.clientY - box.top) / box.height) * canvas.height,
    };
  }

  function lineTo(point) {
    pen.beginPath();
    pen.moveTo(last.x, last.y);
    pen.lineTo(point.x, point.y);
    pen.stroke();
    last = point;
  }

  function handOver() {
    framed(canvas).toBlob((blob) => {
      const file = new File([blob], "drawing.png", { type: "image/png" });
      form.dispatchEvent(new CustomEvent("drawn", { detail: { file } }));
    }, "image/png");
  }
}

// The drawing in the middle of a square and as large as in the training pictures, wherever and how small it was drawn.
export function framed(canvas) {
  const ink = inkBox(canvas);
  const side = canvas.width;
  const scale = (side * INK) / Math.max(ink.width, ink.height);
  const picture = canvas.ownerDocument.createElement("canvas");
  picture.width = picture.height = side;
  const pen = picture.getContext("2d");
  pen.fillRect(0, 0, side, side);
  const [width, height] = [ink.width * scale, ink.height * scale];
  pen.drawImage(canvas, ink.left, ink.top, ink.width, ink.height, (side - width) / 2, (side - height) / 2, width, height);
  return picture;
}

function inkBox(canvas) {
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const box = { left: width, top: height, right: 0, bottom: 0 };
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (data[4 * (y * width + x)] < 128) continue; // red stands for all three, the canvas is black and white
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y + 1);
    }
  }
  return { left: box.left, top: box.top, width: box.right - box.left, height: box.bottom - box.top };
}

for (const canvas of document.querySelectorAll("[data-canvas]")) draw(canvas);
