// Two figures against each other.
function frontOfTwo(rows, x, y) {
  const sorted = rows.filter((p) => p.kept && x.of(p) !== null && y.of(p) !== null).sort((a, b) => {
    if (x.of(a) !== x.of(b)) return better(x, x.of(a), x.of(b)) ? -1 : 1;
    if (y.of(a) !== y.of(b)) return better(y, y.of(a), y.of(b)) ? -1 : 1;
    return 0;
  });
  const found = [];
  for (const point of sorted) {
    if (!found.length || better(y, y.of(point), y.of(found[found.length - 1]))) found.push(point);
  }
  return found;
}

function shadeOf(dimension, rows) {
  if (!dimension) return () => null;
  const scale = scaleOf(rows.map(dimension.of), false);
  return (point) => {
    const place = scale.place(dimension.of(point));
    return place === null ? null : `hsl(${Math.round(215 - 190 * place)} 75% 50%)`;
  };
}

function drawScatter() {
  const box = byId("scatter"), width = Math.max(box.clientWidth, 280), height = Math.min(460, Math.max(300, width * 0.55));
  const x = dimensions.find((own) => own.name === byId("x").value);
  const y = dimensions.find((own) => own.name === byId("y").value);
  const all = points.filter((point) => !point.error && x.of(point) !== null && y.of(point) !== null);
  const rows = byId("hide").checked ? all.filter((point) => point.front) : all;
  box.replaceChildren();
  if (!rows.length) { box.append(element("p", { class: "note" }, "There is nothing to show.")); return; }
  const across = scaleOf(rows.map(x.of), byId("logx").checked), up = scaleOf(rows.map(y.of), byId("logy").checked);
  const left = 64, right = width - 18, top = 26, bottom = height - 44;
  const px = (value) => left + 8 + across.place(value) * (right - left - 16);
  const py = (value) => bottom - 8 - up.place(value) * (bottom - top - 16);
  const svg = drawn("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${y.title} against ${x.title}` });
  const every = Math.ceil(across.marks.length / Math.max(2, Math.floor(width / 90)));
  across.marks.forEach((mark, place) => {
    svg.append(drawn("line", { class: "grid", x1: px(mark), x2: px(mark), y1: top, y2: bottom }));
    if (place % every === 0) svg.append(drawn("text", { x: px(mark), y: bottom + 16, "text-anchor": "middle" }, written(mark)));
  });
  for (const mark of up.marks) {
    svg.append(drawn("line", { class: "grid", x1: left, x2: right, y1: py(mark), y2: py(mark) }));
    svg.append(drawn("text", { x: left - 6, y: py(mark) + 4, "text-anchor": "end" }, written(mark)));
  }
  svg.append(drawn("text", { class: "title", x: right, y: height - 8, "text-anchor": "end" }, `${x.title} →`));
  svg.append(drawn("text", { class: "title", x: 8, y: 16 }, `↑ ${y.title}`));
  const path = frontOfTwo(rows.filter(within), x, y).map((point) => `${px(x.of(point)).toFixed(1)},${py(y.of(point)).toFixed(1)}`);
  if (path.length > 1) svg.append(drawn("path", { class: "line", d: `M${path.join(" ")}` }));
  const shade = shadeOf(dimensions.find((own) => own.name === byId("shade").value), rows);
  // The front and what is chosen lie on top.
  const order = [...rows].sort((a, b) => rank(a) - rank(b));
  for (const point of order) {
    const out = !point.kept || !within(point), chosen = state.chosen.includes(point);
    const classes = ["dot", point.front ? "front" : "", out ? "out" : "", chosen ? "chosen" : ""];
    const colour = chosen ? null : shade(point);
    const dot = drawn("circle", {
      class: classes.filter(Boolean).join(" "), cx: px(x.of(point)).toFixed(1), cy: py(y.of(point)).toFixed(1),
      r: chosen ? 7 : point.front ? 5.5 : 4, "data-point": point.name, onclick: () => toggle(point),
      style: colour && `stroke:${colour};${point.front ? `fill:${colour}` : ""}`,
    }, drawn("title", {}, told(point)));
    svg.append(dot);
  }
  box.append(svg);
}

function rank(point) {
  return (point.front ? 1 : 0) + (state.chosen.includes(point) ? 2 : 0);
}
