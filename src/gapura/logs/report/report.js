"use strict";
// The page is whole without this: it sorts tables, shows what a mark says, and links the map with its table.
for (const table of document.querySelectorAll("table.sorts")) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        const order = x !== "" && y !== "" && !isNaN(x) && !isNaN(y) ? x - y : x.localeCompare(y);
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
for (const figure of document.querySelectorAll("figure")) {
  const readout = figure.querySelector(".readout");
  if (!readout) continue;
  for (const mark of figure.querySelectorAll("[data-says]")) {
    const show = () => { readout.textContent = mark.dataset.says; };
    // An SVG element that listens to focus would become a stop of its own on the keyboard's way.
    if (mark.matches("a, [tabindex]")) mark.addEventListener("focus", show);
    mark.addEventListener("pointerenter", show);
  }
}
const twins = (code, on) => {
  for (const one of document.querySelectorAll(`[data-code="${code}"]`)) one.classList.toggle("on", on);
};
for (const one of document.querySelectorAll("[data-code]")) {
  one.addEventListener("pointerenter", () => twins(one.dataset.code, true));
  one.addEventListener("pointerleave", () => twins(one.dataset.code, false));
}
