// Sends a picture the moment it is chosen, dropped, pasted or drawn, and shows it beside its answer.
// htmx does the sending: without this script the same form works with its button.

export function classify(form, { page = document, addressOf = (file) => URL.createObjectURL(file) } = {}) {
  const input = form.querySelector("input[type=file]");
  const zone = form.querySelector("[data-drop]");
  const preview = form.querySelector("[data-preview]");
  const answer = page.querySelector(form.getAttribute("hx-target"));
  const nothingYet = answer.innerHTML;

  form.classList.add("is-live");
  input.addEventListener("change", () => input.files.length && show(input.files[0]));
  input.addEventListener("click", () => { input.value = ""; }); // so that the same file can be chosen again
  form.addEventListener("drawn", ({ detail }) => {
    preview.hidden = true;
    send(detail.file);
  });
  form.addEventListener("reset", () => {
    form.dispatchEvent(new Event("htmx:abort"));
    preview.hidden = true;
    answer.innerHTML = nothingYet;
  });
  form.addEventListener("htmx:afterRequest", () => {
    if (!preview.hidden) answer.scrollIntoView({ block: "nearest" }); // on a phone it lies below the picture
  });
  form.addEventListener("htmx:sendError", () => say(form.dataset.offline));
  preview.addEventListener("error", () => { preview.hidden = true; }); // no picture: the answer says why
  page.addEventListener("paste", (event) => take(event, event.clipboardData));
  page.addEventListener("drop", (event) => take(event, event.dataTransfer));
  page.addEventListener("dragover", (event) => {
    event.preventDefault(); // or the browser opens the file itself
    zone.classList.add("is-over");
  });
  for (const end of ["dragleave", "drop"]) {
    page.addEventListener(end, () => zone.classList.remove("is-over"));
  }

  function take(event, { files }) {
    event.preventDefault();
    if (files.length) show(files[0]);
  }

  function show(file) {
    URL.revokeObjectURL(preview.src);
    preview.src = addressOf(file);
    preview.hidden = false;
    send(file);
  }

  function send(file) {
    if (file.size > Number(form.dataset.maxBytes)) return say(form.dataset.tooLarge);
    const files = new DataTransfer();
    files.items.add(file);
    input.files = files.files;
    form.requestSubmit();
  }

  function say(sentence) {
    const alert = page.createElement("div");
    alert.className = "alert alert-danger mb-0";
    alert.textContent = sentence;
    answer.replaceChildren(alert);
  }
}

for (const form of document.querySelectorAll("[data-classify]")) classify(form);
