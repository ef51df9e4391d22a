// The run so far, as columns for charts. It is bounded: of a long run the
// older part is kept in coarser steps, so that what stands out still does.
const liveTimeline = (() => {
  "use strict";

  const most = 3600;
  let moments = [];

  const mean = (a, b) => (a + b) / 2;
  // A second in which nothing was measured is left out.
  const meanOfAny = (a, b) => (a === 0 || b === 0 ? a + b : mean(a, b));

  function joinPoints(a, b) {
    const p = { ...b };
    for (const key of ["connects", "failures", "arrivals", "sent", "received", "published"]) p[key] = mean(a[key], b[key]);
    p.p50_ms = meanOfAny(a.p50_ms, b.p50_ms);
    for (const key of ["p99_ms", "max_ms"]) p[key] = Math.max(a[key], b[key]);
    return p;
  }

  const join = (a, b) => ({
    ...b,
    scenarios: b.scenarios.map((p, i) => (a.scenarios[i] ? joinPoints(a.scenarios[i], p) : p)),
    client: { cpu: mean(a.client.cpu, b.client.cpu), late: Math.max(a.client.late, b.client.late), lag: Math.max(a.client.lag, b.client.lag) },
    servers: b.servers.map((s, i) => {
      const before = a.servers[i];
      return before ? { ...s, cpu: mean(before.cpu, s.cpu), rss_bytes: Math.max(before.rss_bytes, s.rss_bytes) } : s;
    }),
  });

  function thin() {
    const half = moments.length / 2;
    const kept = [];
    for (let i = 0; i < half; i += 2) kept.push(join(moments[i], moments[i + 1]));
    moments = kept.concat(moments.slice(half));
  }

  return {
    // add appends moments, or begins anew with them.
    add(more, anew) {
      if (anew) moments = [];
      for (const m of more || []) {
        if (moments.length === most) thin();
        moments.push({ ...m, scenarios: m.scenarios || [], servers: m.servers || [] });
      }
    },
    length: () => moments.length,
    times: () => moments.map((m) => m.t),
    phases: () => benchCharts.phasesOf(moments.map((m) => m.t), moments.map((m) => m.phase)),
    // column takes a figure of each moment; null where there is none.
    column: (of) => moments.map((m) => of(m) ?? null),
  };
})();
