// Draws the data of the page as figures to explore. Without this script the page shows the same figures as pictures.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("chart-data").textContent);
  const section = document.getElementById("charts");
  const root = document.documentElement;
  const HEIGHT = 230;
  const FONT = "12px system-ui, sans-serif";

  // Colours are those of the style sheet, which differ between light and dark screens.
  const color = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const shade = (name, percent) => `color-mix(in srgb, ${color(name)} ${percent}%, transparent)`;

  const threeDigits = (n) => {
    if (n === 0) return "0";
    const whole = Math.floor(Math.log10(Math.abs(n))) + 1;
    return String(Number(n.toFixed(Math.min(9, Math.max(0, 3 - whole)))));
  };
  const formats = {
    count: (n) => {
      if (n >= 1e9) return threeDigits(n / 1e9) + "G";
      if (n >= 1e6) return threeDigits(n / 1e6) + "M";
      return n >= 1e4 ? threeDigits(n / 1e3) + "k" : threeDigits(n);
    },
    time: (ns) => {
      const [scale, unit] = ns >= 0.9995e9 ? [1e9, "s"] : ns >= 0.9995e6 ? [1e6, "ms"] : ns >= 0.9995e3 ? [1e3, "µs"] : [1, "ns"];
      return threeDigits(ns / scale) + " " + unit;
    },
  };

  const clipped = (u, draw) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    draw(ctx, bbox);
    ctx.restore();
  };

  const drawWindows = (u) => clipped(u, (ctx, { top, height }) => {
    for (const { from, to, color: name } of data.windows) {
      const [left, right] = [from, to].map((at) => u.valToPos(at, "x", true));
      ctx.fillStyle = shade(name, 16);
      ctx.fillRect(left, top, Math.max(right - left, 2), height);
    }
  });

  const drawLimits = (u, limit) => clipped(u, (ctx, { left, top, width, height }) => {
    const line = (from, to, name) => {
      ctx.strokeStyle = color(name);
      ctx.beginPath();
      ctx.moveTo(...from);
      ctx.lineTo(...to);
      ctx.stroke();
    };
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const [at, name] of data.instants) {
      const x = u.valToPos(at, "x", true);
      line([x, top], [x, top + height], name);
    }
    if (limit) {
      const y = u.valToPos(limit[0], "y", true);
      line([left, y], [left + width, y], "black");
    }
  });

  // The range of the y axis over the values that are shown.
  const yRange = (chart) => (u, min, max) => {
    const limit = chart.limit ? chart.limit[0] : 0;
    if (!chart.log) return [0, Math.max(max ?? 0, limit, 1) * 1.08];
    if (min == null) [min, max] = [1e6, 1e9];
    return [Math.max(min, 1e3) * 0.7, Math.max(max, limit, min * 10, 1e3) * 1.6];
  };

  // Round values for the labels of a logarithmic axis: powers of ten, or more of them over less than three decades.
  const logTicks = (u, axis, min, max) => {
    const decades = Math.log10(max / min);
    const steps = decades > 3 ? [1] : [1, 2, 5];
    const ticks = [];
    for (let power = 10 ** Math.floor(Math.log10(min)); power <= max; power *= 10) {
      ticks.push(...steps.map((step) => step * power).filter((tick) => tick >= min && tick <= max));
    }
    return ticks;
  };
  const logAxis = { splits: logTicks, filter: (u, ticks) => ticks };

  const axis = (format, more) => ({
    stroke: color("text"),
    font: FONT,
    grid: { stroke: color("line"), width: 1 },
    ticks: { stroke: color("line"), width: 1 },
    values: (u, values) => values.map((value) => (value == null ? "" : format(value))),
    ...more,
  });

  const series = (chart, line) => ({
    label: line.name,
    stroke: color(line.color),
    width: line.is_limit ? 1.5 : 2,
    dash: line.is_limit ? [7, 5] : undefined,
    paths: line.is_limit ? uPlot.paths.stepped({ align: 1 }) : undefined,
    value: (u, value) => (value == null ? "–" : formats[chart.unit](value)),
  });

  // The values are those of the nearest points, and the time is that of the crosshair, which is the same in all figures. uPlot
  // writes the legend only when the nearest point changes.
  const showTime = (u) => {
    const { left } = u.cursor;
    u.root.querySelector(".u-series .u-value").textContent = left < 0 ? "–" : u.posToVal(left, "x").toFixed(1) + " s";
  };

  let plots = [];
  const create = (chart, width) => {
    const figure = document.createElement("figure");
    figure.className = "chart";
    const caption = document.createElement("figcaption");
    caption.textContent = chart.limit ? `${chart.title} (dashed: ${chart.limit[1]})` : chart.title;
    figure.append(caption);
    const seconds = (s) => threeDigits(s) + " s";
    const options = {
      width,
      height: HEIGHT,
      scales: { x: { time: false, min: 0, max: data.end }, y: { distr: chart.log ? 3 : 1, range: yRange(chart) } },
      axes: [axis(seconds, { size: 32 }), axis(formats[chart.unit], { size: 62, ...(chart.log ? logAxis : {}) })],
      series: [
        { label: "time" },
        ...chart.lines.map((line) => series(chart, line)),
      ],
      cursor: {
        sync: { key: "run" },
        drag: { x: true, y: false },
        bind: { dblclick: () => () => plots.forEach((plot) => plot.setScale("x", { min: 0, max: data.end })) },
      },
      hooks: { drawClear: [drawWindows], draw: [(u) => drawLimits(u, chart.limit)], setLegend: [showTime], setCursor: [showTime] },
    };
    section.append(figure);
    const plot = new uPlot(options, uPlot.join(chart.lines.map((line) => [line.x, line.y])), figure);
    plot.root.setAttribute("role", "img");
    plot.root.setAttribute("aria-label", `${chart.title} over time. The values are in the table below.`);
    makeLegendAccessible(plot);
    return plot;
  };

  // The legend shows and hides lines by mouse. This adds the keyboard.
  const makeLegendAccessible = (plot) => {
    plot.root.querySelectorAll(".u-series").forEach((row, index) => {
      if (index === 0) return;
      const name = row.querySelector("th");
      name.tabIndex = 0;
      name.title = "Show or hide this line";
      name.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        name.click();
      });
    });
  };

  const listAnnotations = () => {
    const list = document.createElement("ul");
    list.className = "annotations";
    const item = (label, when, name) => {
      const entry = document.createElement("li");
      const swatch = document.createElement("span");
      swatch.style.background = `var(--${name})`;
      entry.append(swatch, `${label}, ${when}`);
      list.append(entry);
    };
    const seconds = (at) => `${at.toFixed(1)} s`;
    for (const { from, to, label, color: name } of data.windows) item(label, `${from.toFixed(1)}–${seconds(to)}`, name);
    for (const { at, label, color: name } of data.notes) item(label, seconds(at), name);
    return list;
  };

  const width = () => section.clientWidth - 18;
  const draw = () => {
    plots.forEach((plot) => plot.destroy());
    section.querySelectorAll(".chart").forEach((figure) => figure.remove());
    plots = data.charts.map((chart) => create(chart, width()));
  };

  root.classList.add("interactive");
  try {
    section.append(listAnnotations());
    draw();
  } catch (error) {
    // The pictures are still there.
    root.classList.remove("interactive");
    throw error;
  }
  new ResizeObserver(() => plots.forEach((plot) => plot.setSize({ width: width(), height: HEIGHT }))).observe(section);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
