// Charts on top of uPlot that know the page's colours, the phases of a run and
// how figures are written. benchCharts.time(...) and its like put a chart into
// an element and return { update(data), destroy() }.
const benchCharts = (() => {
  "use strict";

  const root = document.documentElement;
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const charts = new Set();

  // ---- figures ----

  const digits = (v) => {
    const a = Math.abs(v);
    const places = a >= 100 || a === 0 ? 0 : a >= 10 ? 1 : 2;
    return v.toFixed(places).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "").replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, ",");
  };
  const scaled = (v, base, names) => {
    let i = 0;
    while (Math.abs(v) >= base && i < names.length - 1) {
      v /= base;
      i++;
    }
    return digits(v) + names[i];
  };
  const empty = (v) => v === null || v === undefined || Number.isNaN(v);
  const format = {
    ms: (v) => {
      if (empty(v)) return "–";
      if (v === 0) return "0 ms";
      if (v < 1) return digits(v * 1000) + " µs";
      return v < 1000 ? digits(v) + " ms" : digits(v / 1000) + " s";
    },
    bytes: (v) => (empty(v) ? "–" : scaled(v, 1024, [" B", " KiB", " MiB", " GiB", " TiB"])),
    rate: (v) => (empty(v) ? "–" : digits(v) + "/s"),
    count: (v) => (empty(v) ? "–" : digits(v)),
    cores: (v) => (empty(v) ? "–" : v.toFixed(2)),
    seconds: (v) => (empty(v) ? "–" : v < 120 ? digits(v) + " s" : v < 7200 ? digits(v / 60) + " min" : digits(v / 3600) + " h"),
  };
  // On an axis thousands and millions are abbreviated.
  const short = {
    rate: (v) => scaled(v, 1000, ["/s", "k/s", "M/s", "G/s"]),
    count: (v) => scaled(v, 1000, ["", "k", "M", "G"]),
  };
  const axisText = (unit) => short[unit] || format[unit];

  // ---- theme ----

  const redraw = () => charts.forEach((chart) => chart.redraw());
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", redraw);
  const theme = {
    // now is "light" or "dark", whether the system or set chose it.
    now: () => root.dataset.theme || (dark.matches ? "dark" : "light"),
    // set chooses a scheme; "" leaves it to the system.
    set(name) {
      if (name) root.dataset.theme = name;
      else delete root.dataset.theme;
      redraw();
    },
    // toggle makes a button switch between the schemes.
    toggle(button) {
      const label = () => { button.textContent = theme.now() === "dark" ? "Light colours" : "Dark colours"; };
      button.addEventListener("click", () => {
        theme.set(theme.now() === "dark" ? "light" : "dark");
        label();
      });
      dark.addEventListener("change", label);
      label();
    },
  };
  // Paper is white.
  let before;
  addEventListener("beforeprint", () => {
    before = root.dataset.theme || "";
    theme.set("light");
  });
  addEventListener("afterprint", () => theme.set(before));

  // ---- parts of a chart ----

  // legend is made of buttons that hide and show a series, with the figures
  // under the cursor.
  function legend(options, showAll) {
    const element = document.createElement("div");
    element.className = "chart-legend";
    const at = document.createElement("span");
    at.className = "at";
    const items = options.series.map((s, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = `var(${s.color})`;
      const name = document.createElement("span");
      name.textContent = s.label;
      const value = document.createElement("span");
      value.className = "value";
      button.append(swatch, name, value);
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(shown));
        showAll(i, shown);
      });
      return { button, value };
    });
    element.append(...items.map((item) => item.button), at);
    return {
      element,
      point(u) {
        const i = u.cursor.idx;
        at.textContent = empty(i) ? "" : "at " + options.xText(u.data[0][i]);
        items.forEach((item, n) => {
          item.value.textContent = empty(i) ? "" : format[options.series[n].unit || options.unit](u.data[n + 1][i]);
        });
      },
    };
  }

  // shadePhases draws a ground behind all periods but the measured one.
  function shadePhases(u, phases) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = css("--phase");
    for (const { name, from, to } of phases) {
      const left = u.valToPos(from, "x", true);
      if (name !== "measure") ctx.fillRect(left, bbox.top, u.valToPos(to, "x", true) - left, bbox.height);
    }
    ctx.restore();
  }

  // namePhases writes the names where there is room, above the grid.
  function namePhases(u, phases) {
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.font = `${11 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
    ctx.textBaseline = "top";
    ctx.textAlign = "left"; // the axes leave it centred
    ctx.fillStyle = css("--soft");
    for (const { name, from, to } of phases) {
      const left = Math.max(u.valToPos(from, "x", true), bbox.left);
      const right = Math.min(u.valToPos(to, "x", true), bbox.left + bbox.width);
      if (ctx.measureText(name).width + 8 * ratio < right - left) ctx.fillText(name, left + 4 * ratio, bbox.top + 3 * ratio);
    }
    ctx.restore();
  }

  const incrs = {
    bytes: Array.from({ length: 50 }, (_, i) => 2 ** i),
    count: [1, 2, 5].flatMap((m) => Array.from({ length: 13 }, (_, e) => m * 10 ** e)).sort((a, b) => a - b),
  };

  // chart makes one of options:
  //   series: [{ label, color (a css variable), unit, dash, width, fill, points }]
  //   data: [x, ...values], null where there is none
  //   unit: of the y axis: ms, bytes, rate, count or cores
  //   log: the y axis is logarithmic
  //   x: { splits, label(v), range(u, min, max), zoom }; xText(v): the x value in words
  //   label: what the chart shows, for those who do not see it
  //   phases: [{ name, from, to }]
  //   height, sync: charts of one name share a cursor
  function chart(parent, options) {
    parent.classList.add("chart");
    let phases = options.phases || [];
    const axis = {
      stroke: () => css("--soft"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: () => css("--grid"), width: 1 },
      ticks: { stroke: () => css("--grid"), width: 1, size: 4 },
    };
    const text = axisText(options.unit);
    const bar = legend(options, (i, shown) => u.setSeries(i + 1, { show: shown }));
    const holder = document.createElement("div");
    holder.setAttribute("role", "img");
    holder.setAttribute("aria-label", options.label);
    parent.append(bar.element, holder);
    const width = () => Math.max(holder.clientWidth, 200);
    const height = options.height || 220;
    const u = new uPlot({
      width: width(),
      height,
      legend: { show: false },
      padding: [8, 12, 0, 0],
      cursor: {
        y: false,
        points: { size: 6 },
        drag: { x: options.x.zoom === true, y: false },
        ...(options.sync ? { sync: { key: options.sync } } : {}),
      },
      scales: {
        x: { time: false, range: options.x.range },
        y: options.log
          ? { distr: 3, range: (_, min, max) => (min > 0 ? uPlot.rangeLog(min, max, 10, false) : [.1, 10]) }
          : { range: (_, _min, max) => (max > 0 ? [0, max * 1.08] : [0, 1]) },
      },
      axes: [
        {
          ...axis,
          size: 32,
          space: 60,
          ...(options.x.splits ? { splits: options.x.splits } : {}),
          values: (_, splits) => splits.map(options.x.label),
        },
        {
          ...axis,
          size: (self, values) => (values ? Math.max(...values.map((v) => (v || "").length), 4) * 7 + 12 : 50),
          ...(incrs[options.unit] ? { incrs: incrs[options.unit] } : {}),
          values: (_, splits) => splits.map((v) => (empty(v) ? "" : text(v))),
        },
      ],
      series: [
        {},
        ...options.series.map((s) => ({
          label: s.label,
          stroke: () => css(s.color),
          width: s.width || 1.5,
          dash: s.dash,
          fill: s.fill ? () => css(s.color) + "22" : undefined,
          points: { show: Boolean(s.points), size: 6, fill: () => css(s.color) },
        })),
      ],
      hooks: {
        drawClear: [(self) => shadePhases(self, phases)],
        drawAxes: [(self) => namePhases(self, phases)],
        setCursor: [(self) => bar.point(self)],
      },
    }, options.data, holder);
    const observer = new ResizeObserver(() => {
      if (u.width !== width()) u.setSize({ width: width(), height });
    });
    observer.observe(holder);
    const made = {
      redraw: () => u.redraw(false),
      update(data, newPhases) {
        if (newPhases) phases = newPhases;
        u.setData(data);
      },
      destroy() {
        charts.delete(made);
        observer.disconnect();
        u.destroy();
        bar.element.remove();
        holder.remove();
      },
    };
    charts.add(made);
    return made;
  }

  // ---- kinds of charts ----

  // time is a chart over the seconds of a run.
  const time = (parent, options) => chart(parent, {
    xText: format.seconds,
    x: { label: format.seconds, range: (_, min, max) => [min <= 1 ? 0 : min, max], zoom: true },
    ...options,
  });

  // nines maps a percentile so that each further nine takes the same room.
  const nines = (p) => -Math.log10(1 - Math.min(p, 99.9999) / 100);
  const percents = [50, 90, 99, 99.9, 99.99, 99.999];

  // percentiles is latency over the percentile; options.percents are the x
  // values, options.data the series alone.
  function percentiles(parent, { percents: x, data, ...options }) {
    const xs = x.map(nines);
    return chart(parent, {
      ...options,
      unit: "ms",
      data: [xs, ...data],
      xText: (v) => "p" + +(100 * (1 - 10 ** -v)).toFixed(4),
      x: {
        splits: () => percents.map(nines).filter((v) => v <= xs[xs.length - 1] + 1e-9),
        label: (v) => "p" + +(100 * (1 - 10 ** -v)).toFixed(3),
        range: () => [xs[0], xs[xs.length - 1]],
      },
    });
  }

  // steps is a figure over the load of a search's steps.
  const steps = (parent, options) => chart(parent, {
    ...options,
    x: { label: axisText(options.xUnit), range: (_, min, max) => [0, (max || 1) * 1.05] },
    xText: (v) => format[options.xUnit](v),
  });

  // phasesOf finds the phases in columns of the end of each second and its phase.
  function phasesOf(t, names) {
    const found = [];
    t.forEach((end, i) => {
      const last = found[found.length - 1];
      if (last && last.name === names[i]) last.to = end;
      else found.push({ name: names[i], from: last ? last.to : 0, to: end });
    });
    return found;
  }

  return { time, percentiles, steps, phasesOf, format, theme };
})();
