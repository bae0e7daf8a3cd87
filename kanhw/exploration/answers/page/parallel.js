// Every figure and every choice as an axis, every point as a line.
function drawParallel() {
  const box = byId("parallel"), shown = dimensions.filter((own) => new Set(points.map(own.of).filter((v) => v !== null)).size > 1);
  const rows = points.filter((point) => !point.error), step = Math.max(104, (box.clientWidth - 60) / Math.max(shown.length, 1));
  const width = Math.max(step * shown.length + 40, 280), height = 340, top = 56, bottom = height - 26;
  const svg = drawn("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "All figures and choices" });
  const at = (place) => 46 + place * step, py = (place) => bottom - place * (bottom - top);
  for (const own of shown) {
    const values = points.map(own.of).filter((value) => value !== null);
    const far = typeof values[0] === "number" && Math.min(...values) > 0 && Math.max(...values) > 50 * Math.min(...values);
    own.scale = scaleOf(values, far);
  }
  for (const point of [...rows].sort((a, b) => rank(a) - rank(b))) {
    const chosen = state.chosen.includes(point);
    if (!chosen && (!within(point) || (!point.front && byId("hide").checked))) continue;
    const parts = [];
    let broken = true;
    shown.forEach((own, place) => {
      const value = own.scale.place(own.of(point));
      // A choice that a point does not have leaves a gap.
      if (value === null) { broken = true; return; }
      parts.push(`${broken ? "M" : "L"}${at(place).toFixed(1)},${py(value).toFixed(1)}`);
      broken = false;
    });
    const classes = ["way", point.front ? "front" : "", chosen ? "chosen" : ""].filter(Boolean).join(" ");
    svg.append(drawn("path", { class: classes, d: parts.join(""), onclick: () => toggle(point) }, drawn("title", {}, told(point))));
  }
  shown.forEach((own, place) => svg.append(axis(own, at(place), top, bottom, py, place)));
  box.replaceChildren(svg);
}

function axis(own, x, top, bottom, py, place) {
  const group = drawn("g", {});
  group.append(drawn("line", { class: "axis", x1: x, x2: x, y1: top, y2: bottom }));
  const every = Math.ceil(own.scale.marks.length / 9);
  own.scale.marks.forEach((mark, number) => {
    if (number % every) return;
    const text = written(mark);
    group.append(drawn("text", { x: x + 5, y: py(own.scale.place(mark)) + 4 }, text.length > 15 ? `${text.slice(0, 14)}…` : text));
  });
  const title = own.title.length > 17 ? `${own.title.slice(0, 16)}…` : own.title;
  // Neighbouring titles stand at different heights.
  group.append(drawn("text", { class: "title", x, y: place % 2 ? 18 : 36, "text-anchor": place ? "middle" : "start", dx: place ? 0 : -30 }, title, drawn("title", {}, own.title)));
  const range = state.ranges.get(own);
  if (range) group.append(drawn("rect", { class: "brush", x: x - 8, width: 16, y: py(range[1]), height: py(range[0]) - py(range[1]) }));
  const grip = drawn("rect", { class: "grip", x: x - 12, width: 24, y: top - 6, height: bottom - top + 12, "data-axis": own.name });
  const where = (event) => {
    const frame = grip.ownerSVGElement.getBoundingClientRect();
    return Math.min(1, Math.max(0, (bottom - (event.clientY - frame.top)) / (bottom - top)));
  };
  grip.addEventListener("pointerdown", (down) => {
    const start = where(down);
    const end = (up) => {
      window.removeEventListener("pointerup", end);
      const stop = where(up);
      if (Math.abs(stop - start) < 0.02) state.ranges.delete(own);
      else state.ranges.set(own, [Math.min(start, stop) - 1e-9, Math.max(start, stop) + 1e-9]);
      drawAll();
    };
    window.addEventListener("pointerup", end);
  });
  group.append(grip);
  return group;
}
