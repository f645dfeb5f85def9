"use strict";

// Tables: a button in every head sorts by its column; what is missing comes last in both directions.
function key(cell) {
  if (!("key" in cell.dataset)) return cell.textContent.trim();
  return cell.dataset.key === "" ? null : Number(cell.dataset.key);
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * (typeof a === "number" && typeof b === "number"
    ? a === b ? 0 : a < b ? -1 : 1
    : String(a).localeCompare(String(b), "en", { numeric: true }));
}

function sort(head) {
  const table = head.closest("table");
  const body = table.tBodies[0];
  const column = head.cellIndex;
  const rows = [...body.rows];
  const numbers = rows.some((row) => "key" in row.cells[column].dataset);
  const first = numbers ? "descending" : "ascending";
  const other = numbers ? "ascending" : "descending";
  const order = head.getAttribute("aria-sort") === first ? other : first;
  for (const one of head.parentElement.cells) one.setAttribute("aria-sort", one === head ? order : "none");
  const sign = order === "ascending" ? 1 : -1;
  rows.sort((a, b) => compare(key(a.cells[column]), key(b.cells[column]), sign));
  body.append(...rows);
}

for (const head of document.querySelectorAll(".sortable thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  button.addEventListener("click", () => sort(head));
  head.setAttribute("aria-sort", "none");
  head.append(button);
}

// Figures: a file of the drawing and one of its numbers.
function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function alone(svg) {
  // A file of its own knows no variables of this page; each of them names the colour that stands in for it.
  const text = new XMLSerializer().serializeToString(svg).replace(/var\(--c-\w+, (#\w+)\)/g, "$1");
  return `<?xml version="1.0" encoding="utf-8"?>\n${text}\n`;
}

for (const figure of document.querySelectorAll("figure")) {
  const name = figure.dataset.name;
  const title = figure.querySelector("svg").getAttribute("aria-label");
  const caption = document.createElement("figcaption");
  const files = [
    ["Figure (SVG)", () => download(`${name}.svg`, "image/svg+xml", alone(figure.querySelector("svg")))],
    ["Data (CSV)", () => download(`${name}.csv`, "text/csv", figure.querySelector(".data").textContent)],
  ];
  for (const [label, action] of files) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.setAttribute("aria-label", `Download ${title}: ${label}`);
    button.addEventListener("click", action);
    caption.append(button);
  }
  figure.append(caption);
}

// Arms: those that are pressed stand out in all figures; with none pressed, all do.
const chooser = document.querySelector(".arms");
chooser.hidden = false;
chooser.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  const pressed = new Set([...chooser.querySelectorAll("[aria-pressed=true]")].map((one) => one.dataset.arm));
  for (const mark of document.querySelectorAll("figure [class^=arm-]")) {
    mark.classList.toggle("dimmed", pressed.size > 0 && !pressed.has(mark.classList[0]));
  }
});
