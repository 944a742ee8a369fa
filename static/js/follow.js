// Keeps the page of one training run up to date until the run ends, then loads it anew with what it came to.
import { drawCurves } from "./charts.js";
import { sayTime, timeElement } from "./times.js";

const POLL_MS = 2000;
const TICK_MS = 1000;
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
  if (run.started_at) find("started-at").replaceChildren(timeElement(run.started_at));
  showEnd(find("done-at"), run.expected_end);
  for (const element of page.querySelectorAll("[data-text]")) showText(element, run[element.dataset.text]);
  showWaiting(page, run);
  showParts(page, run);
  showWatched(find("watched"), run.watched);
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
  countFrom(waiting.querySelector("[data-waited]"), run.waited);
  waiting.querySelector("[data-workers]").replaceChildren(...run.workers.map(listItem));
}

function showEnd(line, end) {
  line.hidden = !end;
  if (!end) return;
  const time = line.querySelector("time");
  time.dateTime = end;
  sayTime(time);
}

function showParts(page, run) {
  const list = page.querySelector("[data-parts]");
  list.hidden = run.parts.length === 0;
  fill(list, run.parts, page.querySelector("[data-part-template]"), showPart);
  const choosing = list.querySelector('[data-name="choosing"] [data-candidates]');
  if (!choosing) return;
  choosing.hidden = run.candidates.length === 0;
  fill(choosing, run.candidates, page.querySelector("[data-candidate-template]"), showCandidate);
}

function showWatched(section, pictures) {
  section.hidden = pictures.length === 0;
  fill(section.querySelector("ul"), pictures, section.querySelector("template"), showWatchedPicture);
}

function showWatchedPicture(item, picture) {
  item.dataset.state = picture.is_right ? "right" : "wrong";
  const image = item.querySelector("img");
  if (image.getAttribute("src") !== picture.image) image.src = picture.image;
  image.alt = picture.label;
  for (const element of item.querySelectorAll("[data-field]")) showText(element, picture[element.dataset.field]);
}

// Items stay the elements they are, so that a bar without a share moves on smoothly.
function fill(list, rows, template, showRow) {
  while (list.children.length > rows.length) list.lastElementChild.remove();
  while (list.children.length < rows.length) list.append(template.content.firstElementChild.cloneNode(true));
  rows.forEach((row, i) => showRow(list.children[i], row));
}

function showPart(item, part) {
  Object.assign(item.dataset, { name: part.name, state: part.state });
  item.toggleAttribute("aria-current", part.is_current);
  if (part.is_current) item.setAttribute("aria-current", "step");
  showRow(item, part);
  item.querySelector("progress").hidden = !part.is_current;
  const length = item.querySelector("[data-length]");
  if (part.is_current) return countFrom(length, part.elapsed);
  delete length.dataset.since;
  length.textContent = part.length;
}

function showCandidate(item, candidate) {
  item.dataset.state = candidate.state;
  item.toggleAttribute("data-chosen", candidate.is_chosen);
  showRow(item, candidate);
}

function showRow(item, row) {
  for (const element of item.querySelectorAll(":scope > [data-field]")) showText(element, row[element.dataset.field]);
  const bar = item.querySelector("progress");
  bar.ariaLabel = row.title;
  if (row.done === null) bar.removeAttribute("value");
  else bar.value = row.done;
}

// The seconds go on between two answers of the server, by the clock here and from what the server said.
function countFrom(element, seconds) {
  element.dataset.since = performance.now() - 1000 * seconds;
  element.textContent = stopwatch(seconds);
}

function tick(page) {
  for (const element of page.querySelectorAll("[data-since]")) {
    element.textContent = stopwatch((performance.now() - element.dataset.since) / 1000);
  }
}

function stopwatch(length) {
  const [hours, minutes, seconds] = [length / 3600, (length / 60) % 60, length % 60].map(Math.floor);
  const rest = String(seconds).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

function listItem(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}

function showLatest(page, epoch) {
  const say = {
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

for (const page of document.querySelectorAll("[data-follow]")) {
  follow(page);
  if (!("ended" in page.dataset)) setInterval(tick, TICK_MS, page);
}
