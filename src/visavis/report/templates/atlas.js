// The scatter plot of the atlas: places, filters, and one model after another by the arrow keys.
(() => {
  const record = JSON.parse(document.getElementById("record").textContent);
  const chart = document.getElementById("chart");
  const controls = document.getElementById("controls");
  const [up, across, search, told, shown] = ["up", "across", "search", "told", "shown"].map((id) => document.getElementById(id));
  const LEFT = 48, RIGHT = 24, TOP = 12, BOTTOM = 40;
  const costs = ["params_m", "gmacs"];
  const units = { params_m: "M parameters", gmacs: "GMACs" };
  let points = [], current = -1;

  controls.hidden = false;
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("input", draw);
  addEventListener("resize", draw);
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !points.length) return;
    event.preventDefault();
    tell((current + step + points.length) % points.length);
  });
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const distance = (point) => (point.x - x) ** 2 + (point.y - y) ** 2;
    const nearest = points.reduce((best, point, number) => (best < 0 || distance(point) < distance(points[best]) ? number : best), -1);
    if (nearest >= 0 && distance(points[nearest]) < 400) tell(nearest);
  });

  function chosen(name) {
    return new Set([...controls.querySelectorAll(`input[name="${name}"]:checked`)].map((box) => Number(box.value)));
  }

  function draw() {
    const [width, height] = [chart.clientWidth, chart.clientHeight];
    const [families, trainings, text] = [chosen("family"), chosen("training"), search.value.trim().toLowerCase()];
    const [column, row] = [record.columns.indexOf(across.value) + 3, record.columns.indexOf(up.value) + 3];
    const both = !costs.includes(across.value);
    const kept = record.models.filter((model) =>
      families.has(model[1]) && trainings.has(model[2]) && model[column] > 0 && model[row] > 0 && (!text || model[0].toLowerCase().includes(text)));
    const x = scale(kept.map((model) => model[column]), both ? "probit" : "log", LEFT, width - RIGHT);
    const y = scale(kept.map((model) => model[row]), both ? "probit" : "linear", height - BOTTOM, TOP);
    chart.replaceChildren();
    for (const tick of x.ticks) {
      add("line", { class: "grid", x1: x.at(tick), x2: x.at(tick), y1: TOP, y2: height - BOTTOM });
      add("text", { class: "axis", x: x.at(tick), y: height - BOTTOM + 16, "text-anchor": "middle" }, both ? percent(tick) : String(tick));
    }
    for (const tick of y.ticks) {
      add("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y.at(tick), y2: y.at(tick) });
      add("text", { class: "axis", x: LEFT - 6, y: y.at(tick) + 4, "text-anchor": "end" }, percent(tick));
    }
    add("text", { class: "axis", x: (LEFT + width - RIGHT) / 2, y: height - 4, "text-anchor": "middle" }, across.selectedOptions[0].textContent);
    if (across.value === record.baseline && record.shifts.includes(up.value)) drawLine(x, y, record.lines[up.value]);
    points = kept.map((model) => ({ model, x: x.at(model[column]), y: y.at(model[row]) }));
    points.sort((a, b) => a.x - b.x);
    const strong = (point) => record.highlighted.includes(point.model[0]);
    for (const point of points) if (!strong(point)) drawPoint(point, 3.5);
    let last = -Infinity; // names stand one below the other
    for (const point of points.filter(strong).sort((a, b) => a.y - b.y)) {
      last = Math.max(point.y + 4, last + 14);
      drawPoint(point, 6, " strong");
      const before = point.x > width / 2;
      add("text", { class: "name", x: point.x + (before ? -10 : 10), y: last, "text-anchor": before ? "end" : "start" }, point.model[0]);
    }
    shown.value = `${kept.length} of ${record.models.length} models`;
    current = -1;
    told.textContent = "";
  }

  function drawPoint(point, size, strong = "") {
    const outlines = [
      `M${-size} 0a${size} ${size} 0 1 0 ${2 * size} 0a${size} ${size} 0 1 0 ${-2 * size} 0Z`,
      `M0 ${-size * 1.2}L${size * 1.2} ${size}H${-size * 1.2}Z`,
      `M${-size} ${-size}H${size}V${size}H${-size}Z`,
    ];
    add("path", { class: `point c${point.model[1]}${strong}`, d: outlines[point.model[2]], transform: `translate(${point.x} ${point.y})` });
  }

  function drawLine(x, y, [slope, intercept]) {
    const places = [];
    for (let share = 0; share <= 40; share += 1) {
      const probit_x = x.low + ((x.high - x.low) * share) / 40;
      const probit_y = intercept + slope * probit_x;
      if (probit_y >= y.low && probit_y <= y.high) places.push(`${x.inside(probit_x)} ${y.inside(probit_y)}`);
    }
    if (places.length > 1) add("path", { class: "line", d: `M${places.join("L")}` });
  }

  function tell(number) {
    current = number;
    const { model, x, y } = points[number];
    chart.querySelector("#at")?.remove();
    add("circle", { id: "at", cx: x, cy: y, r: 9, fill: "none", stroke: "var(--focus)", "stroke-width": 2 });
    const parts = record.columns.map((name, place) => [name, model[place + 3]]).filter(([, value]) => value !== null);
    told.textContent = `${model[0]}: ` + parts.map(([name, value]) => (units[name] ? `${value} ${units[name]}` : `${name} ${percent(value)}`)).join(", ");
  }

  function scale(values, kind, start, stop) {
    const turn = { log: Math.log10, linear: (value) => value, probit }[kind];
    const turned = values.map(turn);
    let low = Math.min(...turned), high = Math.max(...turned);
    if (!values.length || low === high) [low, high] = values.length ? [low - 0.1, high + 0.1] : [0, 1];
    const margin = 0.03 * (high - low);
    [low, high] = [low - margin, high + margin];
    const inside = (place) => Math.round((start + ((place - low) / (high - low)) * (stop - start)) * 10) / 10;
    const candidates = {
      log: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000],
      linear: Array.from({ length: 21 }, (_, number) => number / 20).filter((value, number) => high - low < 0.3 || number % 2 === 0),
      probit: [0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95],
    }[kind];
    const ticks = candidates.filter((value) => turn(value) >= low && turn(value) <= high);
    return { low, high, ticks, inside, at: (value) => inside(turn(value)) };
  }

  // The normal quantile by bisection of its distribution, whose error function is Abramowitz and Stegun's 7.1.26.
  function probit(share) {
    let low = -6, high = 6;
    for (let step = 0; step < 40; step += 1) {
      const middle = (low + high) / 2;
      if (normal(middle) < share) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }

  function normal(z) {
    const t = 1 / (1 + 0.3275911 * (Math.abs(z) / Math.SQRT2));
    const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp((-z * z) / 2);
    return z > 0 ? 1 - tail / 2 : tail / 2;
  }

  function percent(share) {
    return `${Math.round(share * 1000) / 10}%`;
  }

  function add(kind, attributes, text) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    chart.append(element);
  }

  draw();
})();
