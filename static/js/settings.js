// Hides the settings of a training that mean nothing beside the others: momentum means nothing to Adam.

export function hideIdle(form) {
  for (const setting of form.querySelectorAll("[data-when]")) {
    const conditions = Object.entries(JSON.parse(setting.dataset.when));
    setting.hidden = !conditions.every(([name, wanted]) => isOneOf(form, name, wanted));
    for (const field of setting.querySelectorAll("[name]")) field.disabled = setting.hidden; // and it is not sent
  }
}

function isOneOf(form, name, wanted) {
  const fields = [...form.querySelectorAll(`[name="${name}"]`)];
  return fields.length === 0 || fields.flatMap(valuesOf).some((value) => wanted.includes(value));
}

// A single box is true or false; of several with one name those that are ticked count.
function valuesOf(field) {
  if (field.type !== "checkbox") return [field.value];
  if (field.value === "on") return [field.checked];
  return field.checked ? [field.value] : [];
}

for (const form of document.querySelectorAll("form[data-training]")) {
  form.addEventListener("change", () => hideIdle(form));
  hideIdle(form);
}
