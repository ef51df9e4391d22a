// Parts of the page: elements whose text is text, never markup, whatever a
// server has put into it.
const liveParts = (() => {
  "use strict";

  // element makes <tag class="…">…</tag>; children are elements or text.
  function element(tag, className, ...children) {
    const e = document.createElement(tag);
    if (className) e.className = className;
    e.append(...children);
    return e;
  }

  // put changes text only where it differs, so that a selection stays.
  function put(e, text) {
    if (e.textContent !== text) e.textContent = text;
  }

  // headlines is a row of cards; set(values) fills them with [text, note, mood].
  function headlines(...names) {
    const cards = names.map((name) => {
      const value = element("strong");
      const note = element("small");
      return { card: element("li", "card", element("span", "soft", name), value, note), value, note };
    });
    return {
      element: element("ul", "headlines", ...cards.map((c) => c.card)),
      set(...values) {
        cards.forEach(({ value, note }, i) => {
          const [text, more = "", mood = ""] = values[i];
          put(value, text);
          put(note, more);
          value.className = mood;
        });
      },
    };
  }

  // table has rows of text, the first column in words; set(rows) fills it.
  function table(caption, columns) {
    const head = element("tr", "", ...columns.map((name, i) => {
      const th = element("th", i ? "number" : "", name);
      th.scope = "col";
      return th;
    }));
    const body = element("tbody");
    const scroll = element("div", "scroll", element("table", "figures", element("caption", "", caption), element("thead", "", head), body));
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", caption);
    let before = "";
    return {
      element: element("div", "card", scroll),
      set(rows) {
        const now = JSON.stringify(rows);
        if (now === before) return;
        before = now;
        body.replaceChildren(...rows.map(([name, ...cells]) => {
          const th = element("th", "", name);
          th.scope = "row";
          return element("tr", "", th, ...cells.map((c) => element("td", "number", c)));
        }));
      },
    };
  }

  const highest = (values) => values.reduce((m, v) => Math.max(m, v ?? 0), 0);
  const lowest = (values) => values.reduce((m, v) => (v > 0 ? Math.min(m, v) : m), Infinity);
  const all = new Set();

  // clock writes seconds as 1:23 or 1:02:03.
  function clock(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    const two = (n) => String(n).padStart(2, "0");
    const minutes = Math.floor(s / 60);
    return minutes < 60 ? `${minutes}:${two(s % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
  }

  // On the axis of time, marks stand at round times.
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400];
  function marks(_u, _axis, min, max, found) {
    const step = steps.find((s) => s >= found) || found;
    const at = [];
    for (let t = Math.ceil(min / step) * step; t <= max; t += step) at.push(t);
    return at;
  }

  // chart is a figure over the time of the run, there once it has something to
  // show. Of its series, of(moment) takes the figure. Latencies that differ
  // much get a logarithmic axis.
  function chart(parent, title, label, unit, series) {
    const body = element("div");
    const figure = element("figure", "card", element("figcaption", "", element("h3", "", title)), body);
    figure.hidden = true;
    parent.append(figure);
    let made = null;
    let kind = "";
    const c = {
      draw(over) {
        const columns = series.map((s) => liveTimeline.column(s.of));
        const shown = series.map((_, i) => series[i].always || highest(columns[i]) > 0);
        if (liveTimeline.length() < 2 || !shown.some(Boolean)) return;
        const used = columns.filter((_, i) => shown[i]);
        const log = unit === "ms" && Math.max(...used.map(highest)) / Math.min(...used.map(lowest)) > 30;
        const data = [liveTimeline.times(), ...(log ? used.map((v) => v.map((x) => (x > 0 ? x : null))) : used)];
        // Zooming would be undone by the next figures, so it comes with the end.
        const now = JSON.stringify([shown, log, over]);
        if (made && now === kind) {
          made.update(data, liveTimeline.phases());
          return;
        }
        if (made) made.destroy();
        kind = now;
        figure.hidden = false;
        made = benchCharts.time(body, {
          label, unit, log, data,
          series: series.filter((_, i) => shown[i]),
          phases: liveTimeline.phases(),
          sync: "time",
          x: { label: clock, splits: marks, range: (_, min, max) => [min <= 2 ? 0 : min, max], zoom: over },
          xText: clock,
        });
      },
      destroy: () => made?.destroy(),
    };
    all.add(c);
  }

  return {
    element, put, headlines, table, chart, clock,
    draw: (over) => all.forEach((c) => c.draw(over)),
    clear() {
      all.forEach((c) => c.destroy());
      all.clear();
    },
  };
})();
