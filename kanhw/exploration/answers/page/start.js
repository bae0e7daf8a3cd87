// The choices of the page, and the first drawing.
const named = (own) => own.map((each) => [each.name, each.title]);
const wanted = page.objectives;
options(byId("x"), named(dimensions), wanted[1] || wanted[0]);
options(byId("y"), named(dimensions), wanted[0]);
options(byId("shade"), [["", "nothing"], ...named(dimensions)], "");
options(byId("best"), named(figures), wanted[0]);
const numbers = choices.filter((name, place) => points.some((point) => typeof point.choices[place] === "number"));
options(byId("across"), choices.map((name) => [name, name]), numbers[0] || choices[0] || "");
options(byId("down"), choices.map((name) => [name, name]), numbers[1] || choices[1] || choices[0] || "");
const positive = points.map((point) => point.figures[figures.findIndex((own) => own.name === byId("x").value)]).filter((value) => value > 0);
byId("logx").checked = positive.length > 1 && Math.max(...positive) > 30 * Math.min(...positive);
state.draw = [drawParallel, drawScatter, drawComparison, drawSurface, drawFront];
for (const id of ["x", "y", "shade", "hide", "logx", "logy", "across", "down", "best"]) byId(id).addEventListener("change", drawAll);
let size = 0;
new ResizeObserver(() => {
  if (byId("scatter").clientWidth !== size) { size = byId("scatter").clientWidth; drawAll(); }
}).observe(byId("scatter"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
drawAll();
