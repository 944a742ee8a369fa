// Draws the learning rate of a training that has not begun, from its first epoch to its last.
import { paint, repaintInTheDark } from "./charts.js";

export function drawRates(box, { curve, epochs }) {
  box.hidden = false;
  const canvas = box.querySelector("canvas");
  const chart = Chart.getChart(canvas) ?? newChart(canvas, box.dataset);
  chart.data.datasets[0].data = curve;
  chart.options.scales.x.max = epochs;
  chart.update("none");
}

function newChart(canvas, { epoch }) {
  const chart = new Chart(canvas, {
    type: "line",
    data: { datasets: [{ data: [] }] },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { label: ({ parsed }) => parsed.y.toExponential(2) } },
      },
      elements: { line: { borderWidth: 2 }, point: { radius: 0, hitRadius: 12 } },
      scales: {
        x: { type: "linear", min: 0, ticks: { precision: 0 }, title: { display: true, text: epoch } },
        y: { beginAtZero: true },
      },
    },
  });
  repaintInTheDark(chart);
  paint(chart);
  return chart;
}
