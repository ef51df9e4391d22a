// The live page: a stream of news about the run, put into figures and charts.
(() => {
  "use strict";

  const { element, put, headlines, table, chart, clock } = liveParts;
  const { format } = benchCharts;
  const $ = (id) => document.getElementById(id);
  const main = $("content");
  const colors = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];
  const moods = { passed: "good", interrupted: "warn" };

  const plural = (n, what) => `${format.count(n)} ${what}${n === 1 ? "" : "s"}`;
  const capital = (name) => name[0].toUpperCase() + name.slice(1);
  const span = (seconds) => (seconds < 120 ? `${Math.floor(seconds)} s` : clock(seconds));

  // ---- sections ----

  function section(title, note) {
    const heading = element("h2", "", title);
    if (note) heading.append(element("span", "soft", note));
    const s = element("section", "", heading);
    main.append(s);
    return s;
  }

  // flows are the rates that a kind of scenario has.
  const flows = (kind) => (["broadcast", "push", "slow"].includes(kind) ? ["published", "received"] : ["sent", "received"]);

  function scenarioSection(s, i) {
    const own = section(s.name, s.kind === s.name ? "" : s.kind);
    const of = (key) => (m) => (m.scenarios[i] ? m.scenarios[i][key] : null);
    const names = flows(s.kind);
    const top = headlines("Connections", capital(names[0]), capital(names[1]), "p50", "p99", "Max", "Faults");
    const charts = element("div", "charts");
    const latency = table("Latency", ["", "p50", "p99", "p99.9", "max", "count"]);
    const counters = table("Counters", ["so far", ""]);
    const causes = table("Causes of failures", ["cause", "count"]);
    own.append(top.element, charts, element("div", "tables", latency.element, causes.element, counters.element));
    chart(charts, "Latency", `Latency of ${s.name} over the run; the table has the figures`, "ms", [
      { label: "max", color: "--series-6", width: 1, of: of("max_ms") },
      { label: "p99", color: "--series-2", of: of("p99_ms") },
      { label: "p50", color: "--series-1", of: of("p50_ms") },
    ]);
    // Usually these lie upon each other: those on top have gaps.
    chart(charts, "Messages", `Rates of ${s.name} over the run`, "rate", [
      { label: "received", color: "--series-1", width: 2, of: of("received") },
      { label: "sent", color: "--series-2", width: 2, dash: [8, 8], of: of("sent") },
      { label: "published", color: "--series-4", width: 2, dash: [8, 8], of: of("published") },
    ]);
    chart(charts, "Connections", `Connections of ${s.name} over the run`, "count", [
      { label: "open", color: "--series-1", fill: true, always: true, of: of("open") },
      { label: "connects per second", color: "--series-3", of: of("connects") },
    ]);
    chart(charts, "Failures", `Failures of ${s.name} per second over the run`, "rate", [
      { label: "failures", color: "--series-6", fill: true, always: true, of: of("failures") },
    ]);
    return {
      update(now) {
        const last = now.last;
        const l = now.latency;
        const value = (name) => [format.rate(last[name]), `${format.count(now[name])} in all`];
        const time = (key) => (l.count ? [format.ms(l[key]), `last ${last.max_ms ? format.ms(last[key] ?? null) : "–"}`] : ["–"]);
        top.set(
          [format.count(last.open), `of ${format.count(now.wanted)}, +${format.rate(last.connects)}`],
          value(names[0]), value(names[1]),
          time("p50_ms"), time("p99_ms"), time("max_ms"),
          now.faults ? [format.count(now.faults), "", "bad"] : ["none", "", "good"],
        );
        const keys = ["p50_ms", "p99_ms", "p99_9_ms", "max_ms"];
        latency.set([
          ["measured so far", ...keys.map((k) => (l.count ? format.ms(l[k]) : "–")), format.count(l.count)],
          ["last second", ...keys.map((k) => (last.max_ms && k in last ? format.ms(last[k]) : "–")), ""],
        ]);
        counters.set([
          ["connected", format.count(now.connected)],
          ["connects failed", format.count(now.connect_failed)],
          ["closed by the server", format.count(now.closed)],
          ["sent", format.count(now.sent)],
          ["received", format.count(now.received)],
          ["published", format.count(now.published)],
          ["faults", format.count(now.faults)],
        ]);
        causes.element.hidden = !now.top_causes?.length;
        causes.set((now.top_causes || []).map((c) => [c.text, format.count(c.count)]));
      },
    };
  }

  function clientSection() {
    const own = section("Client", "the load generator itself");
    const top = headlines("CPU", "Memory", "Sends late, p99", "Loop lag, p99", "Given up");
    const charts = element("div", "charts");
    own.append(top.element, charts);
    chart(charts, "Cores in use", "Cores that the client uses over the run", "cores", [
      { label: "CPU", color: "--series-2", fill: true, always: true, of: (m) => m.client.cpu },
    ]);
    chart(charts, "Delays of the client", "What the client itself adds to latencies over the run", "ms", [
      { label: "sends late, p99", color: "--series-4", always: true, of: (m) => m.client.late },
      { label: "loop lag, p99", color: "--series-5", always: true, of: (m) => m.client.lag },
    ]);
    return {
      update(c) {
        top.set(
          [format.cores(c.cpu), `of ${plural(c.cores, "core")}, ${plural(c.workers, "worker")}`],
          [format.bytes(c.rss_bytes)],
          [format.ms(c.late_p99_ms)], [format.ms(c.lag_p99_ms)],
          [format.count(c.dropped), "due operations", c.dropped ? "bad" : ""],
        );
      },
    };
  }

  function serverSection(servers) {
    const own = section(servers.length === 1 ? "Server" : "Servers");
    const charts = element("div", "charts");
    const figures = table("Now", ["server", "CPU, cores", "RSS", "PSS", "descriptors"]);
    own.append(charts, element("div", "tables", figures.element));
    const series = (key) => servers.map((s, i) => ({
      label: s.source, color: colors[i % colors.length], always: true, of: (m) => (m.servers[i] ? m.servers[i][key] : null),
    }));
    chart(charts, "Cores in use", "Cores that the servers use over the run; the table has the last figures", "cores", series("cpu"));
    chart(charts, "Memory", "Resident memory of the servers over the run; the table has the last figures", "bytes", series("rss_bytes"));
    return {
      update(all) {
        figures.set(all.map(({ source, last }) => [
          source, format.cores(last.cpu), format.bytes(last.rss_bytes),
          last.pss_bytes ? format.bytes(last.pss_bytes) : "–", last.fds ? format.count(last.fds) : "–",
        ]));
      },
    };
  }

  // ---- state ----

  let shape = ""; // of the sections that are there
  let sections = null;
  let ended = null; // the finish
  let last = null; // the news
  let warned = ""; // the warnings that are shown

  // build makes the sections anew when a scenario or server comes or goes.
  function build(now) {
    const servers = now.servers || [];
    const wanted = JSON.stringify([now.scenarios.map((s) => [s.name, s.kind]), servers.map((s) => s.source)]);
    if (wanted === shape) return;
    shape = wanted;
    liveParts.clear();
    main.replaceChildren();
    sections = { scenarios: now.scenarios.map(scenarioSection), client: clientSection(), servers: servers.length ? serverSection(servers) : null };
  }

  function progress(now) {
    const sum = (of) => now.scenarios.reduce((n, s) => n + of(s), 0);
    const wanted = sum((s) => s.wanted);
    const bar = $("bar");
    put($("elapsed"), clock(now.elapsed));
    put($("step"), now.step);
    if (ended || now.verdict) {
      bar.value = 1;
      put($("in"), "");
    } else if (now.of > 0) {
      bar.value = Math.min(now.in / now.of, 1);
      put($("in"), `${now.phase}: ${span(now.in)} of ${span(now.of)}`);
    } else if (now.phase === "connect" && wanted > 0) {
      const open = sum((s) => s.last.open);
      bar.value = Math.min(open / wanted, 1);
      put($("in"), `${format.count(open)} of ${format.count(wanted)} connections`);
    } else {
      bar.removeAttribute("value");
      put($("in"), `${now.phase}: ${span(now.in)}`);
    }
  }

  function state(ending) {
    const badge = $("state");
    const now = last?.now;
    const verdict = ended?.verdict || now?.verdict || "";
    const text = verdict ? verdict.replace("_", " ") : ending ? "ending" : now ? now.phase : "waiting";
    put(badge, text);
    badge.className = `badge ${verdict ? moods[verdict] || "bad" : ending ? "warn" : ""}`;
    document.title = `${text}: ${now?.name || "carillon bench"}`;
    const data = document.body.dataset;
    $("stop").hidden = !("stop" in data) || Boolean(verdict) || ending;
    $("kill").hidden = !("kill" in data) || Boolean(verdict) || !ending;
  }

  function warnings(n) {
    const all = [...(n.strain || []).map((text) => ["bad", text]), ...(n.now?.warnings || []).map((text) => ["", text])];
    const now = JSON.stringify(all);
    if (now === warned) return;
    warned = now;
    $("warnings").replaceChildren(...all.map(([mood, text]) => element("li", mood, text)));
  }

  function show() {
    const now = last?.now;
    state(Boolean(last?.ending));
    if (!now) return;
    now.scenarios ||= [];
    put($("name"), now.name || "carillon bench");
    build(now);
    progress(now);
    warnings(last);
    now.scenarios.forEach((s, i) => sections.scenarios[i].update(s));
    sections.client.update(now.client);
    sections.servers?.update(now.servers);
    // A page that nobody sees draws when somebody does.
    if (!document.hidden) liveParts.draw(Boolean(ended));
  }
  document.addEventListener("visibilitychange", show);

  // ---- stream ----

  const stream = new EventSource("/events");
  const connection = $("connection");

  stream.addEventListener("open", () => { connection.hidden = true; });
  stream.addEventListener("error", () => {
    put(connection, "The connection to the run is lost; trying again. What is shown is how things stood then.");
    connection.hidden = false;
  });
  stream.addEventListener("news", (e) => {
    last = JSON.parse(e.data);
    liveTimeline.add(last.moments, last.full);
    show();
  });
  stream.addEventListener("finish", (e) => {
    // The page has all there is and does not need the server any more.
    stream.close();
    ended = JSON.parse(e.data);
    connection.hidden = true;
    $("save").href = URL.createObjectURL(new Blob([ended.html], { type: "text/html" }));
    $("ended").hidden = false;
    show();
  });

  $("open").addEventListener("click", async (e) => {
    e.preventDefault();
    try {
      await fetch("/report", { method: "HEAD" });
      location.href = "/report";
    } catch {
      put($("gone"), "The run's process is gone, but this page has the report: save it.");
    }
  });

  // ---- buttons ----

  async function press(button, path) {
    button.disabled = true;
    try {
      const { token, tokenHeader } = document.body.dataset;
      const answer = await fetch(path, { method: "POST", headers: { [tokenHeader]: token } });
      if (!answer.ok) throw new Error(await answer.text());
    } catch (problem) {
      put(connection, `The run could not be stopped: ${problem.message.trim()}`);
      connection.hidden = false;
      button.disabled = false;
    }
  }
  $("stop").addEventListener("click", () => press($("stop"), "/stop"));
  $("kill").addEventListener("click", () => press($("kill"), "/kill"));

  benchCharts.theme.toggle($("theme"));
})();
