"use strict";
// Slider, sortable tables, and Vega-Lite's charts in the colours of the page; what they show is data.
const { specs, data, stops, picks } = JSON.parse(document.getElementById("facts").textContent);
const ensembles = [...document.querySelectorAll("tr[data-row]")];
const slider = document.getElementById("budget");
const views = {};
for (const [name, { fields, rows }] of Object.entries(data))
  data[name] = rows.map(row => Object.fromEntries(row.map((value, i) => [fields[i], value])));

function mark(what, isSo) {
  for (const row of ensembles) row.classList.toggle(what, isSo(row.dataset));
}

function pick() {
  const { limit, label, row } = stops[slider.value];
  document.getElementById("picked").textContent = `At most ${label}: ${picks[row]}`;
  slider.setAttribute("aria-valuetext", `at most ${label}`);
  mark("over", ensemble => ensemble.cost > limit);
  mark("picked", ensemble => ensemble.row == row);
  views.points?.signal("pick", row).run();
}

function brushed(_, ranges) {
  const fields = Object.entries(ranges);
  const inside = point => fields.length && fields.every(([field, [low, high]]) => point[field] >= low && point[field] <= high);
  mark("brushed", ensemble => inside(data.points[ensemble.row]));
}

function sort(heading) {
  const column = heading.cellIndex, body = heading.closest("table").tBodies[0];
  const up = heading.getAttribute("aria-sort") != "ascending";
  for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const compare = (a, b) => isNaN(a - b) ? String(a).localeCompare(b) : a - b;
  body.append(...[...body.rows].sort((a, b) => (up ? 1 : -1) * compare(value(a), value(b))));
}

async function draw() {
  const style = getComputedStyle(document.documentElement), [ink, line] = ["--ink", "--line"].map(name => style.getPropertyValue(name));
  const axis = { labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line };
  const config = { background: null, font: style.fontFamily, view: { stroke: null }, axis, title: { color: ink }, legend: axis };
  for (const [id, spec] of Object.entries(specs)) {
    const place = document.getElementById(id), panels = spec.vconcat?.[0].concat;
    const most = panels ? Math.max(1, Math.min(panels.length, Math.floor(place.clientWidth / 300))) : 1;
    if (panels) spec.vconcat[0].columns = most;
    for (const panel of panels ?? []) panel.width = place.clientWidth / most - 75;
    for (const below of spec.vconcat?.slice(1) ?? [spec]) below.width = place.clientWidth - (spec.usermeta?.beside ?? 75);
    const renderer = Object.values(data).some(rows => rows.length > 2000) ? "canvas" : "svg";
    const options = { mode: "vega-lite", ast: true, renderer, config, defaultStyle: false, tooltip: { disableDefaultStyle: true }, actions: { export: true, source: false, compiled: false, editor: false } };
    const { view } = await vegaEmbed(place, { ...spec, datasets: data }, options);
    views[id] = view;
    // To a screen reader a chart is one picture; the table says its numbers.
    const picture = place.querySelector("svg.marks, canvas");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", spec.description);
    picture.firstElementChild?.setAttribute("aria-hidden", "true");
  }
  views.points?.addSignalListener("brush", brushed);
  if (slider) views.points.signal("pick", stops[slider.value].row).run();
  document.body.dataset.drawn = "yes";
}

async function start() {
  const packed = Uint8Array.from(atob(document.getElementById("vega").textContent), letter => letter.charCodeAt(0));
  const script = document.createElement("script");
  script.textContent = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  document.head.append(script);
  await draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = innerWidth;
  addEventListener("resize", () => { if (width != innerWidth) { width = innerWidth; draw(); } });
}

document.addEventListener("click", event => event.target.closest("th button") && sort(event.target.closest("th")));
if (slider) {
  slider.parentNode.hidden = false;
  slider.addEventListener("input", pick);
  pick();
}
requestAnimationFrame(() => setTimeout(start)); // first what can be read, then the charts
