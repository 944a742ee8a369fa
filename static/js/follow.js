// Keeps the page of one training run up to date until the run ends, then loads it anew with what it came to.
import { drawCurves } from "./charts.js";
import { timeElement } from "./times.js";

const POLL_MS = 2000;
const COLUMNS = ["accuracy", "val_accuracy", "loss", "val_loss"];

export async function follow(page, { load = getJson, pause = sleep, reload = () => location.reload() } = {}) {
  const hadEnded = "ended" in page.dataset;
  for (;;) {
    const run = await load(page.dataset.follow).catch(() => null);
    page.querySelector("[data-offline]").hidden = run !== null;
    if (run) show(page, run);
    if (run?.has_ended) return hadEnded ? run : reload();
    await pause(POLL_MS);
  }
}

function show(page, run) {
  const find = (name) => page.querySelector(`[data-${name}]`);
  showState(find("badge").firstElementChild, run);
  Object.assign(find("bar"), { max: run.num_epochs || 1, value: run.epochs_done });
  find("epochs-done").textContent = run.epochs_done;
  find("num-epochs").textContent = run.num_epochs; // choosing the network may have picked another number
  if (run.started_at) find("started-at").replaceChildren(timeElement(run.started_at));
  const end = find("expected-end");
  end?.replaceChildren(run.expected_end ? timeElement(run.expected_end) : end.dataset.unknown);
  for (const element of page.querySelectorAll("[data-text]")) showText(element, run[element.dataset.text]);
  showWaiting(page, run);
  showParts(find("parts"), run.parts);
  if (run.epochs.length) showLatest(page, run.epochs.at(-1));
  find("epochs").replaceChildren(...run.epochs.map(tableRow));
  drawCurves(find("curves"), run);
}

// Only what has changed is written: a screen reader reads the badge aloud each time it is.
function showState(badge, run) {
  if (badge.textContent === run.state_label) return;
  badge.textContent = run.state_label;
  badge.className = `badge state-${run.state}`;
}

function showText(element, text) {
  if (element.textContent === text) return;
  const isAtEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - 5;
  element.textContent = text;
  if (isAtEnd) element.scrollTop = element.scrollHeight;
}

// Only the page of a run that has not ended says what it waits for.
function showWaiting(page, run) {
  const waiting = page.querySelector("[data-waiting]");
  if (!waiting) return;
  waiting.hidden = run.state !== "queued";
  waiting.querySelector("[data-workers]").replaceChildren(...run.workers.map(listItem));
}

// A part that has ended says how long it took.
function showParts(list, parts) {
  list.hidden = parts.length === 0;
  list.replaceChildren(
    ...parts.map((part) => {
      const item = listItem(`${part.title} `);
      item.append(Object.assign(document.createElement("span"), { textContent: part.length, className: "text-secondary" }));
      if (part.is_current) item.setAttribute("aria-current", "step");
      return item;
    }),
  );
}

function listItem(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}

function showLatest(page, epoch) {
  const say = {
    val_accuracy: (share) => `${(100 * share).toFixed(1)}\u00a0%`,
    learning_rate: (rate) => rate.toExponential(2),
    pictures_per_second: (number) => number.toFixed(0),
  };
  for (const element of page.querySelectorAll("[data-latest]")) {
    element.textContent = say[element.dataset.latest](epoch[element.dataset.latest]);
  }
}

function tableRow(epoch) {
  const row = document.createElement("tr");
  const figures = [...COLUMNS.map((name) => epoch[name].toFixed(4)), epoch.learning_rate.toExponential(2)];
  row.insertCell().textContent = epoch.number;
  for (const figure of figures) {
    const cell = row.insertCell();
    cell.className = "number";
    cell.textContent = figure;
  }
  return row;
}

async function getJson(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.json();
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

for (const page of document.querySelectorAll("[data-follow]")) follow(page);
