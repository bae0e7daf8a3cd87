"use strict";
// What all drawings share: the points, which of them are chosen, and how figures are written.
const page = JSON.parse(document.getElementById("data").textContent);
const figures = page.figures, choices = page.choices, points = page.points;
const state = { chosen: [], ranges: new Map(), draw: [] };

const byId = (id) => document.getElementById(id);

function element(name, attributes, ...inside) {
  const made = document.createElement(name);
  return filled(made, attributes, inside);
}

function drawn(name, attributes, ...inside) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  return filled(made, attributes, inside);
}

function filled(made, attributes, inside) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  for (const each of inside) if (each !== null) made.append(each);
  return made;
}

function written(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  if (size >= 1e-3) return String(Number(value.toPrecision(4)));
  return value.toExponential(2);
}

// What differs among points as an axis: a place between 0 and 1, and marks.
function scaleOf(values, log) {
  const known = values.filter((value) => value !== null);
  if (known.some((value) => typeof value !== "number")) return namedScale(known);
  let low = Math.min(...known), high = Math.max(...known);
  const logs = log && low > 0;
  if (low === high) { low -= Math.abs(low) * 0.1 || 1; high += Math.abs(high) * 0.1 || 1; }
  const put = logs ? Math.log10 : (value) => value;
  const back = logs ? (value) => 10 ** value : (value) => value;
  const start = put(Math.max(low, logs ? Number.MIN_VALUE : low)), width = put(high) - start;
  return {
    place: (value) => (value === null ? null : (put(value) - start) / width),
    marks: logs ? powers(low, high) : rounds(low, high),
    value: (place) => back(start + place * width),
  };
}

function namedScale(known) {
  const names = [...new Set(known.map(String))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const last = Math.max(names.length - 1, 1);
  return {
    place: (value) => (value === null ? null : names.length < 2 ? 0.5 : names.indexOf(String(value)) / last),
    marks: names,
    value: (place) => names[Math.round(place * last)],
  };
}

function rounds(low, high) {
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const marks = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++) marks.push(Number((k * step).toPrecision(12)));
  return marks;
}

function powers(low, high) {
  const marks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const each of [1, 2, 5]) {
      const mark = each * 10 ** power;
      if (mark >= low * 0.999 && mark <= high * 1.001) marks.push(mark);
    }
  }
  return marks.length > 1 ? marks : rounds(low, high);
}

// All that an axis can show: figures first, then choices.
const dimensions = [
  ...figures.map((own, place) => ({ ...own, of: (point) => point.figures[place], figure: true })),
  ...choices.map((own, place) => ({ name: own, title: own, of: (point) => point.choices[place], figure: false })),
];

function options(select, names, chosen) {
  for (const [value, text] of names) select.append(element("option", { value }, text));
  select.value = chosen;
}

function better(own, one, other) {
  return own.more ? one > other : one < other;
}

// Points that lie in all the ranges that were dragged.
function within(point) {
  for (const [dimension, range] of state.ranges) {
    const place = dimension.scale.place(dimension.of(point));
    if (place === null || place < range[0] || place > range[1]) return false;
  }
  return true;
}

function toggle(point) {
  const place = state.chosen.indexOf(point);
  if (place >= 0) state.chosen.splice(place, 1);
  else state.chosen.push(point);
  drawAll();
}

function drawAll() {
  for (const draw of state.draw) draw();
}

function told(point) {
  const lines = dimensions.map((own) => `${own.title}: ${written(own.of(point))}`);
  return [point.name, ...lines].join("\n");
}
