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

// What stands in a box with a copy button can be copied, where the browser lets a page do so.
for (const copy of document.querySelectorAll(".command .copy")) {
  copy.hidden = !navigator.clipboard;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(copy.parentElement.querySelector("code").textContent);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Select it and copy";
    }
  });
}

// A link to a chapter unfolds it, and so does the page's own address.
const chapters = [...document.querySelectorAll("details.chapter")];
function unfoldTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const chapter = target && (target.querySelector("details.chapter") || target.closest("details.chapter"));
  if (chapter && !chapter.open) {
    chapter.open = true;
    target.scrollIntoView();
  }
}
addEventListener("hashchange", unfoldTarget);
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link && link.hash === location.hash) unfoldTarget(); // the address stays, so nothing else is told
});
unfoldTarget();

const unfold = document.getElementById("unfold");
if (unfold && chapters.length) {
  unfold.parentElement.hidden = false;
  unfold.addEventListener("click", () => {
    const opening = chapters.some((chapter) => !chapter.open);
    for (const chapter of chapters) chapter.open = opening;
    unfold.textContent = opening ? "Fold all chapters" : "Unfold all chapters";
  });
}

// A picture and its places on all maps are shown together.
for (const place of document.querySelectorAll("[data-picture]")) {
  const together = place.closest("section").querySelectorAll(`[data-picture="${place.dataset.picture}"]`);
  const light = (on) => () => together.forEach((one) => one.classList.toggle("lit", on));
  for (const event of ["pointerenter", "focus"]) place.addEventListener(event, light(true));
  for (const event of ["pointerleave", "blur"]) place.addEventListener(event, light(false));
}

// Light or dark as the system says, until the reader says otherwise.
const scheme = document.getElementById("scheme");
if (scheme) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const isDark = () => (root.style.colorScheme ? root.style.colorScheme === "dark" : system.matches);
  const name = () => { scheme.textContent = isDark() ? "Light" : "Dark"; };
  scheme.hidden = false;
  scheme.addEventListener("click", () => {
    root.style.colorScheme = isDark() ? "light" : "dark";
    name();
  });
  system.addEventListener("change", name);
  name();
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
