// What is chosen side by side, the best of two choices, and the front as a table.
function drawComparison() {
  const box = byId("comparison");
  box.replaceChildren();
  if (!state.chosen.length) {
    box.append(element("p", { class: "note" }, "Nothing is chosen yet."));
    return;
  }
  const head = element("tr", {}, element("th", {}, ""));
  for (const point of state.chosen) {
    const leave = element("button", { onclick: () => toggle(point), "aria-label": `leave ${point.name} out` }, "×");
    head.append(element("th", {}, `${point.name} `, leave));
  }
  const body = element("tbody", {});
  for (const own of dimensions) {
    const texts = state.chosen.map((point) => written(own.of(point)));
    const row = element("tr", { class: new Set(texts).size > 1 ? "differs" : null }, element("th", {}, own.title));
    for (const text of texts) row.append(element("td", { class: "number" }, text));
    body.append(row);
  }
  const command = element("tr", {}, element("th", {}, "made by"));
  for (const point of state.chosen) command.append(commandCell(point));
  body.append(command);
  box.append(element("table", {}, element("thead", {}, head), body));
  box.append(element("p", {}, element("button", { id: "none", onclick: () => { state.chosen = []; drawAll(); } }, "choose none")));
}

function commandCell(point) {
  const text = page.command.replaceAll("POINT", point.name);
  const copy = element("button", { onclick: async () => {
    try { await navigator.clipboard.writeText(text); copy.textContent = "copied"; } catch { copy.textContent = "select it"; }
  } }, "copy");
  return element("td", { class: "command" }, element("code", {}, text), " ", copy);
}

function drawSurface() {
  const box = byId("surface"), own = figures.findIndex((each) => each.name === byId("best").value);
  const right = choices.indexOf(byId("across").value), below = choices.indexOf(byId("down").value);
  box.replaceChildren();
  if (right < 0 || below < 0 || right === below) {
    box.append(element("p", { class: "note" }, "Two different choices are needed."));
    return;
  }
  const best = new Map();
  for (const point of points) {
    const value = point.figures[own];
    if (point.error || !point.kept || value === null || !within(point)) continue;
    const key = JSON.stringify([point.choices[right], point.choices[below]]);
    if (!best.has(key) || better(figures[own], value, best.get(key).figures[own])) best.set(key, point);
  }
  const named = (place) => [...new Set(points.filter((p) => !p.error).map((p) => p.choices[place]).filter((v) => v !== null))]
    .sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true })));
  const columns = named(right), rows = named(below);
  const scale = scaleOf([...best.values()].map((point) => point.figures[own]), false);
  const head = element("tr", {}, element("th", {}, `${choices[below]} ↓ ${choices[right]} →`));
  for (const column of columns) head.append(element("th", { class: "number" }, written(column)));
  const body = element("tbody", {});
  for (const row of rows) {
    const line = element("tr", {}, element("th", {}, written(row)));
    for (const column of columns) line.append(surfaceField(best.get(JSON.stringify([column, row])), own, scale));
    body.append(line);
  }
  box.append(element("table", {}, element("thead", {}, head), body));
}

function surfaceField(point, own, scale) {
  if (!point) return element("td", {}, "");
  const value = point.figures[own], place = scale.place(value), good = figures[own].more ? place : 1 - place;
  const mix = `color-mix(in srgb, rgb(var(--high)) ${Math.round(100 * good)}%, rgb(var(--low)))`;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const ink = dark === good > 0.5 ? "#10151b" : "#f4f7fa";
  return element("td", { class: "field", style: `background:${mix};color:${ink}`, title: told(point), onclick: () => toggle(point) }, written(value));
}

let sorted = { own: dimensions.find((own) => own.name === page.objectives[0]), down: true };

function drawFront() {
  const rows = points.filter((point) => point.front && within(point));
  if (sorted.own) {
    const value = (point) => sorted.own.of(point);
    rows.sort((a, b) => (value(a) === value(b) ? 0 : value(a) === null ? 1 : value(b) === null ? -1 : value(a) < value(b) ? -1 : 1));
    if (sorted.down) rows.reverse();
  }
  const head = element("tr", {}, element("th", {}, ""), element("th", {}, "point"));
  for (const own of dimensions) {
    const sort = () => { sorted = { own, down: sorted.own === own && !sorted.down }; drawFront(); };
    head.append(element("th", { class: "sorts number", onclick: sort }, own.title));
  }
  const body = element("tbody", {});
  for (const point of rows) {
    const chosen = state.chosen.includes(point);
    const tick = element("input", { type: "checkbox", "aria-label": `choose ${point.name}`, onchange: () => toggle(point) });
    tick.checked = chosen;
    const line = element("tr", { class: chosen ? "chosen" : null }, element("td", {}, tick), element("td", {}, element("code", {}, point.name)));
    for (const own of dimensions) line.append(element("td", { class: "number" }, written(own.of(point))));
    body.append(line);
  }
  byId("front").replaceChildren(element("table", {}, element("thead", {}, head), body));
}
