// Keeps what is known of a training before it begins up to date with the form, and asks for the dry run.
import { drawRates } from "./schedule.js";

const POLL_MS = 2000;
const TYPING_MS = 400;

export function keepEstimate(form, { send = sendForm, pause = sleep } = {}) {
  let latest = 0; // an answer to an earlier question is thrown away

  async function ask(method = "GET", after = 0) {
    const mine = ++latest;
    await pause(after);
    for (;;) {
      if (mine !== latest) return;
      const answer = await send(form, method).catch(() => null);
      if (mine !== latest) return;
      if (answer) show(form, answer);
      if (answer && !answer.is_measuring) return;
      if (answer) method = "GET"; // the dry run is asked for: now wait for it
      await pause(POLL_MS);
    }
  }

  form.addEventListener("input", () => ask("GET", TYPING_MS));
  form.querySelector("[data-measure]").addEventListener("click", (event) => {
    event.preventDefault();
    ask("POST");
  });
  return ask("measures" in form.dataset ? "POST" : "GET");
}

function show(form, answer) {
  const find = (name) => form.querySelector(`[data-${name}]`);
  find("dry-run").hidden = Boolean(answer.refused || answer.is_measuring || answer.is_measured);
  if (answer.refused) {
    const refused = { expected: "–", time: "", problem: answer.refused };
    for (const [name, text] of Object.entries(refused)) showText(form.querySelector(`[data-text="${name}"]`), text);
    return;
  }
  for (const element of form.querySelectorAll("[data-text]")) showText(element, answer[element.dataset.text]);
  for (const element of form.querySelectorAll("[data-time]")) {
    if (element.dataset.time in answer.times) showText(element, answer.times[element.dataset.time]);
  }
  if (!find("rates")) return; // the network is still to be chosen
  find("rate-rows").replaceChildren(...answer.figures.map(tableRow));
  drawRates(find("rates"), answer);
}

// Only what has changed is written: a screen reader reads the expected time aloud each time it is.
function showText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

function tableRow([epoch, rate]) {
  const row = document.createElement("tr");
  row.insertCell().textContent = epoch;
  const cell = row.insertCell();
  cell.className = "number";
  cell.textContent = rate;
  return row;
}

async function sendForm(form, method) {
  const values = new FormData(form);
  const url = form.dataset.estimate;
  if (method === "POST") return read(await fetch(url, { method, body: values }));
  values.delete("csrfmiddlewaretoken"); // it belongs in no address
  return read(await fetch(`${url}?${new URLSearchParams(values)}`));
}

function read(answer) {
  if (!answer.ok) throw new Error(`${answer.url}: ${answer.status}`);
  return answer.json();
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

for (const form of document.querySelectorAll("form[data-estimate]")) keepEstimate(form);
