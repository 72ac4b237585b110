// The table of a figure as a picture. What the table says is all there is: it stays for whoever would rather read it.
"use strict";

const DAY = 86400;
const dates = {
  day: new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }),
  month: new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" }),
};
const short = {
  day: new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" }),
  month: new Intl.DateTimeFormat("en-GB", { month: "short", year: "2-digit", timeZone: "UTC" }),
};
const grouped = new Intl.NumberFormat("en");

function rowsOf(figure) {
  const rows = [...figure.querySelectorAll("tbody tr")].map((row) => {
    const counted = row.querySelector("data");
    return [Date.parse(row.querySelector("time").dateTime) / 1000, counted ? Number(counted.value) : null];
  });
  return rows.sort((one, other) => one[0] - other[0]);
}

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function told(at, count, figure) {
  const { unit, noun } = figure.dataset;
  const when = unit === "month" ? dates.month.format(at * 1000) : `${unit === "week" ? "Week of " : ""}${dates.day.format(at * 1000)}`;
  return `${when} · ${count === null ? "not received" : `${grouped.format(count)} ${noun}${count === 1 ? "" : "s"}`}`;
}

function picture(figure) {
  const [box, reading] = [figure.querySelector("[data-plot]"), figure.querySelector("[data-reading]")];
  const rows = rowsOf(figure);
  const step = { day: DAY, week: 7 * DAY, month: 30 * DAY }[figure.dataset.unit];
  const axis = { stroke: () => token("--muted"), grid: { stroke: () => token("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const plot = new uPlot(
    {
      width: box.clientWidth,
      height: box.clientHeight,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { range: (_, least, most) => [least - step, most + step] }, y: { range: (_, __, most) => [0, Math.max(most, 1) * 1.05] } },
      axes: [
        { ...axis, grid: { show: false }, space: 72, values: (_, ticks) => ticks.map((tick) => (figure.dataset.unit === "month" ? short.month : short.day).format(tick * 1000)) },
        { ...axis, size: 56, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7], values: (_, ticks) => ticks.map((tick) => grouped.format(tick)) },
      ],
      series: [{}, { stroke: () => token("--accent"), fill: () => token("--accent"), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.7, 48], radius: 0.1 }) }],
      hooks: { setCursor: [(chart) => { reading.textContent = chart.cursor.idx == null ? "" : told(...rows[chart.cursor.idx], figure); }] },
    },
    [rows.map((row) => row[0]), rows.map((row) => row[1])],
    box,
  );
  for (const canvas of box.querySelectorAll("canvas")) canvas.setAttribute("aria-hidden", "true");
  new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: box.clientHeight })).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
  figure.querySelector("details").open = false;
  figure.classList.add("drawn");
}

for (const figure of document.querySelectorAll("[data-chart]")) picture(figure);
