"use strict";
// Comforts only: the page is complete without them. Nothing is read but the page itself.
document.body.classList.add("scripted");

// What a kind of layer computes, beside it, while it is pointed at or has the focus; Escape puts it away. A layer of the
// columns is a link to the row of its kind in the table below; a box of a drawing names its kind.
const tip = document.getElementById("tip");
const rows = new Map([...document.querySelectorAll(".kinds tbody tr")].map((row) => [row.cells[0].textContent, row]));
const explained = "a.kind, .node[data-kind]";
let tipped = null;

function showTip(element) {
  const row = rows.get(element.dataset.kind ?? element.textContent);
  if (!row || element === tipped) return;
  hideTip();
  const [kind, formula, says, source] = [...row.cells].map((cell) => cell.textContent);
  const told = [["b", kind, ""], ["span", formula, "formula"], ["span", says, ""], ["span", element.dataset.sum, "sum"], ["span", source, "aside"]];
  tip.replaceChildren(...told.filter(([, text]) => text).map(([tag, text, style]) => {
    const line = document.createElement(tag);
    line.className = style;
    line.textContent = text;
    return line;
  }));
  tip.hidden = false;
  tipped = element;
  element.setAttribute("aria-describedby", "tip");
  placeTip();
}

function placeTip() {
  if (!tipped) return;
  const at = tipped.getBoundingClientRect();
  const { width, height } = tip.getBoundingClientRect();
  const below = at.bottom + 6 + height < innerHeight;
  tip.style.left = `${Math.max(12, Math.min(at.left, document.documentElement.clientWidth - width - 12))}px`;
  tip.style.top = `${below ? at.bottom + 6 : at.top - height - 6}px`;
}

function hideTip() {
  if (!tipped) return;
  tipped.removeAttribute("aria-describedby");
  tipped = null;
  tip.hidden = true;
}

for (const event of ["mouseover", "focusin"]) {
  document.addEventListener(event, ({ type, target }) => {
    const link = target.closest(explained);
    const keeps = target.closest("#tip") || (type === "mouseover" && tipped === document.activeElement);
    if (link) showTip(link);
    else if (!keeps) hideTip();
  });
}
addEventListener("scroll", placeTip, { passive: true, capture: true });
// A tap shows it too; without a script the link leads to the whole table.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.kind");
  if (!link) return;
  event.preventDefault();
  showTip(link);
});
addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });

// All steps at once.
const steps = [...document.querySelectorAll("details.piece")];
document.querySelector(".tools").hidden = false;
document.getElementById("unfold").addEventListener("click", () => { for (const step of steps) step.open = true; });
document.getElementById("fold").addEventListener("click", () => {
  for (const details of document.querySelectorAll("#columns details")) details.open = false;
});

// Charts: a box unticked hides its lines.
for (const box of document.querySelectorAll(".legend input")) {
  box.addEventListener("change", () => {
    const boxes = [...document.querySelectorAll(`.legend input[data-chart="${box.dataset.chart}"]`)];
    const hidden = boxes.filter((other) => !other.checked).map((other) => other.dataset.hides);
    for (const curve of document.querySelectorAll(`#${box.dataset.chart} .curve`)) {
      curve.classList.toggle("off", hidden.some((name) => curve.classList.contains(name)));
    }
  });
}

// Attention: two sliders choose a map of the sheet; so does a click on the sheet.
for (const figure of document.querySelectorAll(".gaze")) {
  const layers = JSON.parse(figure.dataset.layers);
  const highest = JSON.parse(figure.dataset.highest);
  const columns = Number(figure.dataset.columns);
  const [layer, head, output] = [".layer", ".head", "output"].map((name) => figure.querySelector(name));
  const show = () => {
    const number = Number(layer.value) * (Number(head.max) + 1) + Number(head.value);
    figure.style.setProperty("--column", number % columns);
    figure.style.setProperty("--row", Math.floor(number / columns));
    const whose = Number(head.value) ? `head ${head.value} of ${head.max}` : `mean over ${head.max} heads`;
    const most = highest[layer.value][head.value];
    output.textContent = `${layers[layer.value]}, ${whose}; at most ${(100 * most).toFixed(1)}% on one patch`;
    layer.setAttribute("aria-valuetext", layers[layer.value]);
    head.setAttribute("aria-valuetext", whose);
  };
  layer.addEventListener("input", show);
  head.addEventListener("input", show);
  figure.querySelector(".contact").addEventListener("click", (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const heads = Number(head.max) + 1;
    const rows = Math.ceil((layers.length * heads) / columns);
    const number = Math.floor((rows * (event.clientY - box.top)) / box.height) * columns
      + Math.floor((columns * (event.clientX - box.left)) / box.width);
    layer.value = Math.floor(number / heads);
    head.value = number % heads;
    show();
  });
  show();
}

// One slider for all networks: layers at equal relative depth.
const together = document.querySelector(".together");
if (together) {
  const depth = together.querySelector("input");
  together.hidden = document.querySelectorAll(".gaze input.layer:not([disabled])").length < 2;
  depth.addEventListener("input", () => {
    together.querySelector("output").textContent = `${depth.value}%`;
    for (const layer of document.querySelectorAll(".gaze input.layer")) {
      layer.value = Math.round((Number(layer.max) * Number(depth.value)) / 100);
      layer.dispatchEvent(new Event("input"));
    }
  });
}

// Heat maps: single values under the pointer, or by the arrow keys.
for (const figure of document.querySelectorAll(".heat")) {
  const { a, b, values, floor } = JSON.parse(figure.dataset.cells);
  const [cells, cursor, said] = [".cells", ".cursor", ".said"].map((name) => figure.querySelector(name));
  let [row, column] = [0, 0];
  const number = (value) => (value === null ? "no number" : value.toFixed(2));
  const show = () => {
    cursor.hidden = false;
    Object.assign(cursor.style, {
      left: `${(100 * column) / b.length}%`, top: `${(100 * row) / a.length}%`,
      width: `${100 / b.length}%`, height: `${100 / a.length}%`,
    });
    said.textContent = `${a[row]} and ${b[column]}: ${number(values[row][column])}, noise floor ${number(floor[row][column])}`;
  };
  cells.addEventListener("pointermove", (event) => {
    const box = cells.getBoundingClientRect();
    row = Math.min(a.length - 1, Math.max(0, Math.floor((a.length * (event.clientY - box.top)) / box.height)));
    column = Math.min(b.length - 1, Math.max(0, Math.floor((b.length * (event.clientX - box.left)) / box.width)));
    show();
  });
  cells.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    row = Math.min(a.length - 1, Math.max(0, row + step[0]));
    column = Math.min(b.length - 1, Math.max(0, column + step[1]));
    show();
  });
}
