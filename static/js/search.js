// Draws the trials of a search: one plot in the order they were drawn, one for each setting that was tried.
import { paint, repaintInTheDark } from "./charts.js";
import { sayTime } from "./times.js";

const WHOLE = 0, PRUNED = 1, BEST = 2; // the datasets of a plot
const BEST_LINE = { type: "line", stepped: true, pointRadius: 0, pointStyle: "line", borderWidth: 2 };

export function drawPlots(box, points) {
  box.hidden = points.length === 0;
  if (box.hidden) return;
  for (const canvas of box.querySelectorAll("canvas[data-plot]")) {
    const chart = Chart.getChart(canvas) ?? newPlot(canvas, box.dataset);
    const name = canvas.dataset.plot;
    const placed = points.map((point) => ({ ...point, x: place(point, canvas.dataset), y: point.value }));
    chart.data.datasets[WHOLE].data = placed.filter((point) => point.is_whole);
    chart.data.datasets[PRUNED].data = placed.filter((point) => !point.is_whole);
    if (!name) chart.data.datasets[BEST].data = bestSoFar(placed);
    if (canvas.dataset.scale === "category") chart.data.labels = [...new Set(placed.map((point) => point.x))].sort();
    chart.update("none");
  }
}

function place(point, { plot, scale }) {
  if (!plot) return point.number;
  return scale === "category" ? String(point.tried[plot]) : point.tried[plot];
}

export function bestSoFar(points) {
  let best = 0;
  const inOrder = [...points].sort((one, other) => one.number - other.number);
  return inOrder.map(({ x, y }) => ({ x, y: (best = Math.max(best, y)) }));
}

function newPlot(canvas, { whole, pruned, best }) {
  const datasets = [
    { label: whole, pointRadius: 4 },
    { label: pruned, pointRadius: 4, pointStyle: "crossRot" },
  ];
  if (!canvas.dataset.plot) datasets.push({ label: best, ...BEST_LINE });
  const chart = new Chart(canvas, {
    type: "scatter",
    data: { datasets },
    options: {
      animation: false,
      maintainAspectRatio: false,
      plugins: { legend: { labels: { usePointStyle: true } } },
      scales: {
        x: canvas.dataset.plot
          ? { type: canvas.dataset.scale, offset: canvas.dataset.scale === "category" }
          : { type: "linear", min: 0, ticks: { precision: 0 } },
        y: { type: "linear", max: 1 },
      },
    },
  });
  repaintInTheDark(chart);
  paint(chart);
  return chart;
}

function show() {
  const search = document.querySelector("[data-search]");
  for (const time of search.querySelectorAll("time[data-local]")) sayTime(time);
  drawPlots(document.querySelector("[data-plots]"), JSON.parse(search.dataset.points));
}

document.addEventListener("htmx:afterSwap", show);
if (document.querySelector("[data-search]")) show();
