// Suggests a recognizer's address from its English name, until somebody types an address.
export function suggestAddress(name, address) {
  let isTyped = address.value !== "";
  address.addEventListener("input", () => { isTyped = address.value !== ""; });
  name.addEventListener("input", () => {
    if (!isTyped) address.value = addressFrom(name.value);
  });
}

export function addressFrom(name) {
  return name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()
    .replace(/[^a-z0-9]+/g, "-").slice(0, 50).replace(/^-|-$/g, "");
}

suggestAddress(document.querySelector("[name=name_en]"), document.querySelector("[name=slug]"));
