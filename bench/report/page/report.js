// The charts of a report, from the data that is embedded in the page.
(() => {
  "use strict";

  const data = JSON.parse(document.getElementById("data").textContent);
  const colors = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];
  const holder = (id) => document.querySelector(`.charts[data-section="${id}"]`);
  const highest = (values) => values.reduce((m, v) => Math.max(m, v ?? 0), 0);
  const lowest = (values) => values.reduce((m, v) => (v > 0 ? Math.min(m, v) : m), Infinity);

  // figure puts a card with a heading into a section and a chart into the card.
  function figure(id, title, make) {
    const card = document.createElement("figure");
    card.className = "card";
    const caption = document.createElement("figcaption");
    const heading = document.createElement("h3");
    heading.textContent = title;
    caption.append(heading);
    const body = document.createElement("div");
    card.append(caption, body);
    holder(id).append(card);
    make(body);
  }

  // wide says whether series differ so much that only a logarithmic axis shows
  // all of them; it then has no place for 0.
  function wide(columns, factor) {
    const all = columns.map(highest).filter((v) => v > 0);
    return all.length > 0 && Math.max(...all) / Math.min(...all) > factor;
  }
  const positive = (values) => values.map((v) => (v > 0 ? v : null));

  // curves draws latencies over their percentile.
  function curves(section, title, group) {
    if (!group.series.length) return;
    const top = Math.max(...group.series.map((s) => highest(s.values)));
    const bottom = Math.min(...group.series.map((s) => lowest(s.values)));
    const log = top / bottom > 30;
    figure(section.id, title, (body) => benchCharts.percentiles(body, {
      label: `${title} of ${section.name}, by percentile; the table has the figures`,
      percents: group.percents,
      data: group.series.map((s) => (log ? positive(s.values) : s.values)),
      series: group.series.map((s, i) => ({ label: s.name, color: colors[i % colors.length], dash: s.own ? [5, 4] : undefined })),
      log,
    }));
  }

  // overTime draws those of the named columns that have anything in them.
  function overTime(section, title, unit, columns, phases) {
    const shown = columns.filter((c) => c.always || highest(section.columns[c.key]) > 0);
    if (!shown.length || section.t.length < 2) return;
    const values = shown.map((c) => section.columns[c.key]);
    const log = unit !== "bytes" && unit !== "cores" && wide(values, unit === "ms" ? 30 : 100);
    figure(section.id, title, (body) => benchCharts.time(body, {
      label: `${title} of ${section.name}, over the seconds of the run; the table has the figures`,
      data: [section.t, ...(log ? values.map(positive) : values)],
      series: shown,
      unit,
      log,
      phases,
      sync: "time",
    }));
  }

  for (const s of data.scenarios) {
    const phases = benchCharts.phasesOf(s.t, s.phase);
    curves(s, "Latency by percentile", s.latency);
    overTime(s, "Latency over time", "ms", [
      { key: "max", label: "max", color: "--series-6", width: 1 },
      { key: "p99", label: "p99", color: "--series-2" },
      { key: "p50", label: "p50", color: "--series-1" },
    ], phases);
    overTime(s, "Rates over time", "rate", [
      // Usually these lie upon each other: those on top have gaps.
      { key: "received", label: "received", color: "--series-1", width: 2 },
      { key: "sent", label: "sent", color: "--series-2", width: 2, dash: [8, 8] },
      { key: "published", label: "published", color: "--series-4", width: 2, dash: [8, 8] },
      { key: "arrivals", label: "due", color: "--series-3", width: 2, dash: [3, 13] },
    ], phases);
    overTime(s, "Connections over time", "count", [
      { key: "open", label: "open", color: "--series-1", fill: true, always: true },
      { key: "connects", label: "connects per second", color: "--series-3" },
    ], phases);
    curves(s, "Connecting by percentile", s.connecting);
    overTime(s, "Failures over time", "rate", [{ key: "failures", label: "failures", color: "--series-6", fill: true }], phases);
  }

  if (data.search) {
    const s = data.search;
    figure("search", "Latency over load", (body) => benchCharts.steps(body, {
      label: "p50 and p99 of each step over the load it reached; the table has the figures",
      data: [s.reached, s.p50, s.p99, ...(s.goal ? [s.reached.map(() => s.goal)] : [])],
      series: [
        { label: "p50", color: "--series-1", points: true },
        { label: "p99", color: "--series-2", points: true },
        ...(s.goal ? [{ label: "goal", color: "--series-6", dash: [5, 4] }] : []),
      ],
      unit: "ms",
      xUnit: s.of === "rate" ? "rate" : "count",
      log: wide([s.p50, s.p99], 30) || highest(s.p99) / lowest(s.p99) > 30,
    }));
  }

  for (const s of data.servers) {
    overTime(s, "Cores in use", "cores", [{ key: "cpu", label: "CPU", color: "--series-2", fill: true, always: true }], data.phases);
    overTime(s, "Memory", "bytes", [
      { key: "rss", label: "RSS", color: "--series-1", fill: true },
      { key: "pss", label: "PSS", color: "--series-3" },
    ], data.phases);
  }

  const button = document.getElementById("theme");
  button.hidden = false;
  benchCharts.theme.toggle(button);
})();
