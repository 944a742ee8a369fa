// Says points in time by the reader's own clock; without it they stand in the server's zone.
export function sayTime(element) {
  const at = new Date(element.dateTime);
  const isToday = at.toDateString() === new Date().toDateString();
  const shown = { hour: "2-digit", minute: "2-digit" };
  if (!isToday) Object.assign(shown, { month: "short", day: "numeric" });
  if (at.getFullYear() !== new Date().getFullYear()) shown.year = "numeric";
  element.textContent = at.toLocaleString(document.documentElement.lang, shown);
  element.title = at.toLocaleString(document.documentElement.lang);
}

export function timeElement(iso) {
  const element = document.createElement("time");
  element.dateTime = iso;
  sayTime(element);
  return element;
}

function sayTimes() {
  for (const element of document.querySelectorAll("time[data-local]")) sayTime(element);
}

sayTimes();
document.addEventListener("htmx:afterSwap", sayTimes);
