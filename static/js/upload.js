// Sends an upload as soon as it is chosen or dropped and shows how far the transfer is; without it the form's button does.

export function upload(form, { send = post, go = (url) => location.assign(url) } = {}) {
  const input = form.querySelector("input[type=file]");
  const zone = form.querySelector("[data-drop]");
  const label = form.elements.label;

  form.classList.add("is-live");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  input.addEventListener("change", () => {
    if (input.files.length && (!label || label.value)) form.requestSubmit();
  });
  zone.addEventListener("dragover", (event) => {
    event.preventDefault(); // or the browser opens the file itself
    zone.classList.add("is-over");
  });
  for (const end of ["dragleave", "drop"]) zone.addEventListener(end, () => zone.classList.remove("is-over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change"));
  });

  addEventListener("pageshow", (event) => event.persisted && settle()); // back again from the report

  async function start() {
    say([]);
    const sentence = tooMuch(form.dataset, input.files);
    if (sentence) return say([sentence]);
    const body = new FormData(form);
    form.querySelector("[data-transfer]").hidden = false;
    form.inert = true;
    try {
      const { url, errors } = await send(form.action, body, (share) => show(share));
      if (url) return go(url);
      say(errors);
    } catch {
      say([form.dataset.failed]);
    }
    settle();
  }

  function settle() {
    form.inert = false;
    form.querySelector("[data-transfer]").hidden = true;
    form.reset();
  }

  function show(share) {
    form.querySelector("progress").value = share;
    const text = form.querySelector("[data-transfer-text]");
    text.textContent = share < 1 ? `${text.dataset.sending} ${Math.round(100 * share)} %` : text.dataset.reading;
  }

  function say(sentences) {
    form.querySelector("[data-errors]").replaceChildren(...sentences.map((sentence) => {
      const alert = document.createElement("div");
      alert.className = "alert alert-danger";
      alert.textContent = sentence;
      return alert;
    }));
  }
}

export function tooMuch({ maxBytes, tooLarge, maxFiles, tooMany }, files) {
  if (maxBytes && files[0]?.size > Number(maxBytes)) return tooLarge;
  if (maxFiles && files.length > Number(maxFiles)) return tooMany;
  return "";
}

// XMLHttpRequest, because fetch() does not say how much has been sent.
function post(url, body, progress) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => progress(event.loaded / event.total));
    request.addEventListener("load", () => (request.response ? done(request.response) : fail(request.status)));
    request.addEventListener("error", fail);
    request.send(body);
  });
}

for (const form of document.querySelectorAll("[data-upload]")) upload(form);
