// Opens the layer that the address names; without it the reader opens it where the link led.

export function open(page = document, { hash } = location) {
  const layer = hash.startsWith("#layer-") ? page.getElementById(hash.slice(1)) : null;
  if (layer) layer.open = true;
  return layer;
}

addEventListener("hashchange", () => open());
open();
