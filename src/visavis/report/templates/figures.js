// Every figure can be saved as it is seen: as an SVG of shapes and text that drawing programs open, or as a PNG.

const SVG = document.querySelector(".outlines").namespaceURI;
const PAINT = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap",
  "stroke-linejoin", "paint-order", "opacity", "font-family", "font-size", "font-weight", "font-style", "text-anchor",
  "vector-effect"];

for (const figure of document.querySelectorAll("figure:not(.specimen)")) {
  const tools = document.createElement("p");
  tools.className = "save";
  for (const kind of ["SVG", "PNG"]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = kind;
    button.setAttribute("aria-label", `Save this figure as ${kind}`);
    button.addEventListener("click", () => saveFigure(figure, kind));
    tools.append(button);
  }
  figure.append(tools);
}

async function saveFigure(figure, kind) {
  const drawing = drawn(figure);
  const text = new XMLSerializer().serializeToString(drawing);
  const link = document.createElement("a");
  const section = figure.closest("section");
  const place = [...section.querySelectorAll("figure")].indexOf(figure);
  link.download = `${section.id}${place > 0 ? `-${place + 1}` : ""}.${kind.toLowerCase()}`;
  const vector = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  link.href = kind === "SVG" ? vector : await rastered(vector, drawing);
  link.click();
}

async function rastered(vector, drawing) {
  const image = new Image();
  image.src = vector;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * drawing.getAttribute("width");
  canvas.height = 2 * drawing.getAttribute("height");
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

// The figure as one SVG: boxes, pictures and lines of text where the browser has put them, its drawings as they are.
function drawn(figure) {
  const margin = 16;
  const box = figure.getBoundingClientRect();
  const height = figure.querySelector(".save").getBoundingClientRect().top - box.top;
  const made = element("svg", { width: Math.ceil(box.width + 2 * margin), height: Math.ceil(height + 2 * margin) });
  const ground = getComputedStyle(document.body).backgroundColor;
  made.append(element("rect", { width: "100%", height: "100%", fill: ground }));
  const outlines = document.querySelector(".outlines defs");
  if (outlines) made.append(outlines.cloneNode(true));
  draw(figure, made, { x: margin - box.left, y: margin - box.top });
  return made;
}

function draw(node, made, shift) {
  if (node.nodeType === Node.TEXT_NODE) return drawText(node, made, shift);
  if (node.nodeType !== Node.ELEMENT_NODE || node.matches(".sr, .save, title")) return;
  const style = getComputedStyle(node);
  const box = node.getBoundingClientRect();
  if (style.display === "none" || style.visibility === "hidden") return;
  const place = { x: box.left + shift.x, y: box.top + shift.y, width: box.width, height: box.height };
  if (node.localName === "svg") return drawSvg(node, made, place);
  if (node.localName === "img" && box.width) return made.append(element("image", { ...place, href: node.src }));
  if (node.localName === "canvas") return made.append(element("image", { ...place, href: node.toDataURL() }));
  if (!/rgba\(.*, 0\)/.test(style.backgroundColor)) made.append(element("rect", { ...place, fill: style.backgroundColor }));
  if (parseFloat(style.borderTopWidth) && style.borderTopStyle !== "none") {
    made.append(element("rect", { ...place, height: style.borderTopWidth, fill: style.borderTopColor }));
  }
  if (node.matches(".tie.shared")) {  // its bracket is no element
    const bracket = `M${place.x + 6},${place.y + 5}h-6v${place.height - 10}h6`;
    made.append(element("path", { d: bracket, fill: "none", stroke: style.color, "stroke-opacity": 0.6 }));
  }
  for (const child of node.childNodes) draw(child, made, shift);
}

function drawSvg(node, made, place) {
  const copy = node.cloneNode(true);
  const originals = [node, ...node.querySelectorAll("*")];
  for (const [index, own] of [copy, ...copy.querySelectorAll("*")].entries()) {
    const style = getComputedStyle(originals[index]);
    for (const name of PAINT) own.setAttribute(name, style.getPropertyValue(name));
    own.removeAttribute("class");
  }
  for (const [name, value] of Object.entries(place)) copy.setAttribute(name, value);
  copy.setAttribute("overflow", "visible");
  made.append(copy);
}

function drawText(node, made, shift) {
  const style = getComputedStyle(node.parentElement);
  const size = parseFloat(style.fontSize);
  for (const line of linesOf(node)) {
    const text = element("text", {
      x: line.left + shift.x, y: (line.top + line.bottom) / 2 + size * 0.35 + shift.y, fill: style.color,
      "font-family": style.fontFamily, "font-size": size, "font-weight": style.fontWeight, "font-style": style.fontStyle,
      textLength: line.right - line.left,
    });
    text.textContent = line.words.join(" ");
    made.append(text);
  }
}

// A text as the lines into which the browser broke it.
function linesOf(node) {
  const lines = [];
  const range = document.createRange();
  for (const word of node.data.matchAll(/\S+/g)) {
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    const box = range.getBoundingClientRect();
    if (!box.width) continue;
    const last = lines.at(-1);
    if (last && Math.abs(last.top - box.top) < 2) {
      last.words.push(word[0]);
      last.right = box.right;
    } else {
      lines.push({ words: [word[0]], left: box.left, right: box.right, top: box.top, bottom: box.bottom });
    }
  }
  return lines;
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
