// Draws the curves of a training run: one canvas for accuracy, one for loss, training and validation in each.

export function drawCurves(box, { epochs, num_epochs: numEpochs }) {
  box.hidden = epochs.length === 0 || numEpochs === 1; // one point makes no curve
  if (box.hidden) return;
  for (const canvas of box.querySelectorAll("canvas[data-chart]")) {
    const chart = Chart.getChart(canvas) ?? newChart(canvas, box.dataset);
    const figure = canvas.dataset.chart;
    chart.data.datasets[0].data = epochs.map((epoch) => ({ x: epoch.number, y: epoch[figure] }));
    chart.data.datasets[1].data = epochs.map((epoch) => ({ x: epoch.number, y: epoch[`val_${figure}`] }));
    chart.options.scales.x.max = Math.max(numEpochs, 2);
    chart.update("none");
  }
}

function newChart(canvas, { train, validation }) {
  const chart = new Chart(canvas, {
    type: "line",
    data: { datasets: [{ label: train }, { label: validation, borderDash: [6, 4] }] },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      plugins: { legend: { labels: { usePointStyle: true, pointStyle: "line", pointStyleWidth: 28 } } },
      elements: { line: { borderWidth: 2 }, point: { radius: 2, hitRadius: 12 } },
      scales: {
        x: { type: "linear", min: 1, ticks: { precision: 0 } },
        y: { beginAtZero: true, ...(canvas.dataset.chart === "accuracy" && { max: 1 }) },
      },
    },
  });
  repaintInTheDark(chart);
  paint(chart);
  return chart;
}

export function repaintInTheDark(chart) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => requestAnimationFrame(() => paint(chart)));
}

// Takes the colours from the style sheet, where dark mode has its own.
export function paint(chart) {
  const style = getComputedStyle(chart.canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  chart.data.datasets.forEach((dataset, i) => {
    const name = ["--chart-train", "--chart-validation"][i % 2];
    Object.assign(dataset, { borderColor: colour(name), backgroundColor: colour(name) });
  });
  chart.options.plugins.legend.labels.color = colour("--chart-text");
  for (const axis of Object.values(chart.options.scales)) {
    axis.ticks.color = colour("--chart-text");
    axis.grid.color = colour("--chart-grid");
  }
  chart.update(); // in the mode "none" the points would keep Chart.js's own colours
}

// On a run's own page follow.js draws; elsewhere the run has ended and is drawn once.
for (const box of document.querySelectorAll("[data-curves]")) {
  if (!box.closest("[data-follow]")) {
    fetch(box.dataset.curves).then((answer) => answer.json()).then((run) => drawCurves(box, run));
  }
}
