// Finds a few among many checkboxes: shows those whose names hold what is typed, and says how many are chosen.
export function choose(field) {
  const tools = field.querySelector("[data-choose-by]");
  const filter = tools.querySelector("[type=search]");
  const chosenOnly = tools.querySelector("[data-chosen-only]");
  const choices = [...field.querySelectorAll(".many-choices label")].map((label) => ({
    label,
    box: label.querySelector("input"),
    name: label.textContent.trim().toLowerCase(),
  }));

  const show = () => {
    const wanted = filter.value.trim().toLowerCase();
    const shown = choices.filter((each) => each.name.includes(wanted) && (each.box.checked || !chosenOnly.checked));
    for (const each of choices) each.label.hidden = true;
    for (const each of shown) each.label.hidden = false;
    field.querySelector("[data-nothing]").hidden = shown.length > 0;
  };
  const count = () => {
    tools.querySelector("[data-count]").textContent = choices.filter((each) => each.box.checked).length;
  };

  filter.addEventListener("input", show);
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault(); // it searches already; the form is sent by its button
  });
  chosenOnly.addEventListener("change", show);
  field.addEventListener("change", count);
  tools.hidden = false;
  count();
  show();
}

for (const field of document.querySelectorAll("[data-choose]")) choose(field);
