"use strict";
// Comforts only: the page is complete without them. Nothing is read but the page itself.

// Tables sort by a click on a column's head, within each group of rows; missing values stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.querySelectorAll("thead th:not(.unsorted)")];
  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("n");
      const before = head.getAttribute("aria-sort");
      const order = before ? (before === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      for (const body of table.tBodies) sortRows(body, head.cellIndex, numeric, order === "ascending" ? 1 : -1);
    });
  }
}

function sortRows(body, column, numeric, direction) {
  const keyed = [...body.rows]
    .filter((row) => !row.classList.contains("heading"))
    .map((row) => ({ row, key: sortKey(row.cells[column], numeric) }));
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    return direction * (numeric ? a.key - b.key : a.key.localeCompare(b.key, "en", { numeric: true }));
  });
  body.append(...keyed.map((entry) => entry.row));
}

function sortKey(cell, numeric) {
  if (!cell) return null;
  if (!numeric) return cell.textContent.trim();
  const data = cell.querySelector("data");
  return data ? Number(data.value) : null;
}

// The gallery shows what one model gets right or wrong.
const filter = document.getElementById("filter");
if (filter) {
  filter.hidden = false;
  const cards = [...document.querySelectorAll(".card")];
  filter.querySelector("select").addEventListener("change", (event) => {
    const [side, model] = event.target.value.split(" ");
    let shown = 0;
    for (const card of cards) {
      card.hidden = Boolean(side) && !card.dataset[side].split(" ").includes(model);
      if (!card.hidden) shown += 1;
    }
    filter.querySelector("output").value = side ? `${shown} of ${cards.length}` : "";
    const more = document.querySelector("#pictures details");
    if (more && side) more.open = true;
  });
}

// The command copies where the browser lets a page do so.
const copy = document.getElementById("copy");
if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById("command").textContent);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Select it and copy";
    }
  });
}

// Print shows what is folded away.
const opened = [];
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    opened.push(details);
  }
});
addEventListener("afterprint", () => {
  for (const details of opened.splice(0)) details.open = false;
});
