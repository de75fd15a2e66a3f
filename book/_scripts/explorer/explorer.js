// The explorer: a view of the study's tables, chosen by the form, redrawn at once, kept in the address.
"use strict";
(() => {
  const mount = document.getElementById("explorer-view");
  const study = window.EXPLORER;
  if (!mount || !study) return;
  const DASHES = ["", "6 3", "2 2", "8 3 2 3", "4 2", "1 3"];
  const TAU = Array.from({ length: 51 }, (_, i) => i / 50);
  const RANKED = { RR: "RR(τ; ε)", RA: "RA(ε)", stability: "stability", decided: "inputs still decided" };
  const number = (value, digits = 3) => (Number.isNaN(value) || value === undefined ? "–" : value.toFixed(digits));
  const between = ({ value, low, high }) => `${number(value)} [${number(low)}, ${number(high)}]`;

  // base64 → numbers, when a data set is first looked at
  function numbers(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return study.bytes === 8 ? new Float64Array(bytes.buffer) : Float64Array.from(new Float32Array(bytes.buffer));
  }
  const opened = {};
  function open(name) {
    if (opened[name]) return opened[name];
    const { epsilons, order, detectors } = study.datasets[name];
    const read = {};
    for (const detector of order) {
      const packed = detectors[detector];
      const attacks = {};
      for (const attack of packed.order) {
        const { p, shift } = packed.attacks[attack];
        attacks[attack] = { p: numbers(p), shift: shift && numbers(shift) };
      }
      read[detector] = {
        ...packed,
        attacks,
        clean: numbers(packed.clean),
        label: [...packed.label].map(Number),
        finding: [...packed.finding].map(Number),
      };
    }
    const names = [...new Set(order.flatMap((detector) => detectors[detector].order))];
    return (opened[name] = { epsilons, order, detectors: read, attacks: names });
  }

  // ---- what is looked at: one plain object, the same in the form, in the address and in Explorer.view
  function usual(dataset) {
    const { epsilons, order, attacks } = open(dataset);
    const epsilon = epsilons.includes(study.highlight.epsilon) ? study.highlight.epsilon : epsilons.at(-1);
    const { tolerance, budget, confidence } = study.highlight;
    return { dataset, epsilon, tolerance, budget, confidence, on: "attacked score", by: "RR", detectors: order, attacks };
  }
  function fromAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const given = asked.get("dataset");
    const view = usual(study.places.includes(given) ? given : study.places[0]);
    const known = open(view.dataset);
    const within = (name, low, high) => {
      const value = Number(asked.get(name));
      if (asked.has(name) && value >= low && value <= high) view[name] = value;
    };
    if (known.epsilons.includes(Number(asked.get("epsilon"))) && asked.has("epsilon")) view.epsilon = Number(asked.get("epsilon"));
    within("tolerance", 0, 1);
    within("budget", 0.01, 0.5);
    within("confidence", 0.51, 0.99);
    if (["attacked score", "clean score"].includes(asked.get("on"))) view.on = asked.get("on");
    if (Object.keys(RANKED).includes(asked.get("by"))) view.by = asked.get("by");
    for (const name of ["detectors", "attacks"]) {
      const chosen = (asked.get(name) || "").split(",").filter((each) => known[name === "detectors" ? "order" : name].includes(each));
      if (chosen.length) view[name] = chosen;
    }
    return view;
  }
  function address(view) {
    const { detectors, attacks, ...plain } = view;
    const known = open(view.dataset);
    const parts = Object.entries(plain);
    if (detectors.length < known.order.length) parts.push(["detectors", detectors.join(",")]);
    if (attacks.length < known.attacks.length) parts.push(["attacks", attacks.join(",")]);
    return "#" + new URLSearchParams(parts).toString();
  }

  // ---- numbers of a view, no drawing; what the tests compare with pandas
  function compute(view) {
    const { epsilons, detectors } = open(view.dataset);
    return view.detectors.map((name) => {
      const detector = detectors[name];
      const attacks = view.attacks.filter((attack) => attack in detector.attacks);
      const over = epsilons.map((epsilon, upto) => {
        const worst = Statistics.worstCase(detector, attacks, upto);
        const clean = epsilon === 0;
        return {
          epsilon,
          RR: Statistics.robustRatio(detector, worst, view.tolerance, view.confidence, clean),
          RA: Statistics.robustAccuracy(detector, worst, view.confidence),
          worst,
          clean,
        };
      });
      const { RR, RA, worst, clean } = over[epsilons.indexOf(view.epsilon)];
      const mean = worst.shift.reduce((a, b) => a + b, 0) / worst.shift.length;
      const curve = TAU.map((tolerance) => ({
        tolerance,
        ...Statistics.robustRatio(detector, worst, tolerance, view.confidence, clean),
      }));
      const card = Statistics.guardrail(detector, worst, view.budget, view.confidence, view.on);
      return { name, RR, RA, stability: 1 - mean, curve, over: over.map(({ worst, clean, ...rest }) => rest), card };
    });
  }
  const rank = (rows, by) => {
    const value = (row) => ({ RR: row.RR.value, RA: row.RA.value, stability: row.stability, decided: row.card.decided?.value ?? -1 })[by];
    return [...rows].sort((one, other) => value(other) - value(one));
  };

  // ---- the form
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  let view = fromAddress();
  let waiting = 0;
  function set(changes) {
    view = { ...view, ...changes };
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
    history.replaceState(history.state, "", address(view));
  }
  function slider(id, label, low, high, step, shown, change) {
    const output = make("output", { for: id });
    const input = make("input", { type: "range", id, min: low, max: high, step });
    input.addEventListener("input", () => change(Number(input.value)));
    const row = make("div", { class: "explorer-slider" }, make("label", { for: id }, label), input, output);
    row.show = (value) => {
      input.value = value;
      output.textContent = shown(value);
      input.setAttribute("aria-valuetext", shown(value));
    };
    return row;
  }
  function select(id, label, options, change) {
    const input = make("select", { id, class: "form-select" }, ...options.map(([value, text]) => make("option", { value }, text)));
    input.addEventListener("change", () => change(input.value));
    const row = make("div", { class: "explorer-select" }, make("label", { for: id }, label), input);
    row.show = (value) => (input.value = value);
    return row;
  }
  function boxes(kind, legend) {
    const field = make("fieldset", { class: "explorer-boxes" });
    field.show = (names, chosen) => {
      if (field.dataset.names !== names.join()) {
        field.dataset.names = names.join();
        field.replaceChildren(
          make("legend", {}, legend),
          ...names.map((name) => make("label", {}, make("input", { type: "checkbox", value: name, name: kind }), ` ${name}`))
        );
      }
      for (const input of field.querySelectorAll("input")) input.checked = chosen.includes(input.value);
    };
    field.addEventListener("change", (event) => {
      const chosen = [...field.querySelectorAll("input:checked")].map((input) => input.value);
      if (chosen.length) set({ [kind]: chosen });
      else event.target.checked = true; // one is always looked at
    });
    return field;
  }
  const controls = {
    dataset: select("explorer-dataset", "Data set", study.places.map((name) => [name, name]), (name) => {
      const { epsilon, tolerance, budget, confidence, on, by } = view;
      const fresh = usual(name);
      set({ ...fresh, tolerance, budget, confidence, on, by, epsilon: open(name).epsilons.includes(epsilon) ? epsilon : fresh.epsilon });
    }),
    by: select("explorer-by", "Ranked by", Object.entries(RANKED), (by) => set({ by })),
    on: select("explorer-on", "Abstains by the", [["attacked score", "attacked score"], ["clean score", "clean score"]], (on) => set({ on })),
    epsilon: slider("explorer-epsilon", "ε, radius", 0, 1, 1, (at) => String(open(view.dataset).epsilons[at]), (at) =>
      set({ epsilon: open(view.dataset).epsilons[at] })),
    tolerance: slider("explorer-tolerance", "τ, tolerance", 0, 1, 0.01, (value) => value.toFixed(2), (tolerance) => set({ tolerance })),
    budget: slider("explorer-budget", "budget of flips", 0.01, 0.5, 0.01, (value) => value.toFixed(2), (budget) => set({ budget })),
    confidence: slider("explorer-confidence", "confidence", 0.51, 0.99, 0.01, (value) => value.toFixed(2), (confidence) => set({ confidence })),
    detectors: boxes("detectors", "Detectors"),
    attacks: boxes("attacks", "Attacks, the worst of which counts"),
  };
  const reset = make("button", { type: "button", class: "explorer-reset" }, "Reset");
  reset.addEventListener("click", () => set(usual(view.dataset)));
  const form = make("form", { class: "explorer-form", "aria-label": "What is shown" }, ...Object.values(controls), reset);
  form.addEventListener("submit", (event) => event.preventDefault());
  const said = make("p", { class: "explorer-said", role: "status", "aria-live": "polite" });
  const figures = make("div", { class: "explorer-figures" });
  const table = make("div", { class: "explorer-table", tabindex: "0", role: "region", "aria-label": "The numbers of this view" });
  mount.replaceChildren(form, said, figures, table);

  // ---- the drawings
  const look = (name) => study.looks[name] || study.looks[Object.keys(study.looks)[0]];
  const columns = () => (mount.clientWidth > 600 ? 2 : 1);
  const base = (title, extra) => ({
    width: Math.max(280, Math.min(columns() > 1 ? mount.clientWidth / 2 - 8 : mount.clientWidth, 560)),
    height: 280, marginLeft: 44, marginBottom: 40, style: { fontSize: "12px", background: "transparent", overflow: "visible" },
    ariaLabel: title, ...extra,
  });
  const dash = (name) => DASHES[open(view.dataset).order.indexOf(name) % DASHES.length];
  const lines = (rows, points, x, options) => rows.flatMap((row) => [
    Plot.areaY(points(row), { x, y1: "low", y2: "high", fill: look(row.name).color, fillOpacity: 0.12 }),
    Plot.line(points(row), { x, y: "value", stroke: look(row.name).color, strokeDasharray: dash(row.name), strokeWidth: 1.8, ...options }),
  ]);
  function figure(title, plot) {
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", `${title}; the numbers are in the table below`);
    for (const part of plot.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
    return make("figure", { class: "explorer-figure" }, make("figcaption", {}, title), plot);
  }
  function intervals(rows, title, of, x) {
    const shown = rows.map((row) => ({ name: row.name, ...of(row) }));
    return figure(title, Plot.plot(base(title, {
      height: 60 + 26 * shown.length, marginLeft: 110, x: { domain: [0, 1], label: x, grid: true }, y: { label: null, domain: shown.map((row) => row.name) },
      marks: [
        Plot.link(shown.filter((row) => row.value >= 0), { x1: "low", x2: "high", y1: "name", y2: "name", stroke: (row) => look(row.name).color, strokeWidth: 3, strokeOpacity: 0.5 }),
        Plot.dot(shown.filter((row) => row.value >= 0), { x: "value", y: "name", fill: (row) => look(row.name).color, r: 5, title: (row) => `${row.name}: ${between(row)}`, tip: true }),
      ],
    })));
  }
  function legend(rows) {
    const items = rows.map(({ name }) => {
      const line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      line.setAttribute("width", 34); line.setAttribute("height", 10); line.setAttribute("aria-hidden", "true");
      line.innerHTML = `<line x1="1" x2="33" y1="5" y2="5" stroke="${look(name).color}" stroke-width="2.5" stroke-dasharray="${dash(name)}"/>`;
      return make("li", {}, line, ` ${name}`);
    });
    return make("ul", { class: "explorer-legend", "aria-label": "Detectors" }, ...items);
  }
  function draw() {
    const { epsilons, order, attacks } = open(view.dataset);
    controls.dataset.show(view.dataset);
    controls.by.show(view.by);
    controls.on.show(view.on);
    controls.epsilon.querySelector("input").max = epsilons.length - 1;
    controls.epsilon.show(epsilons.indexOf(view.epsilon));
    for (const name of ["tolerance", "budget", "confidence"]) controls[name].show(view[name]);
    controls.detectors.show(order, view.detectors);
    controls.attacks.show(attacks, view.attacks);

    const rows = rank(compute(view), view.by);
    const percent = `${+(100 * view.confidence).toFixed(0)} %`;
    const first = rows[0];
    const found = rows.filter((row) => row.card.verdict === "promised");
    said.textContent =
      `${view.dataset}, ε = ${view.epsilon}, τ = ${view.tolerance}: first by ${RANKED[view.by]} is ${first.name} with RR ${between(first.RR)} ` +
      `and RA ${between(first.RA)} (${percent} intervals). With a budget of ${view.budget}, ${found.length} of ${rows.length} detectors can promise a band that decides something.`;

    const at = epsilons.map((epsilon) => String(epsilon));
    const over = (measure) => (row) => row.over.map((each) => ({ epsilon: String(each.epsilon), ...each[measure] }));
    const share = { domain: [0, 1], grid: true };
    const ε = { domain: at, label: "ε, radius of the attack", type: "point" };
    const tau = Plot.plot(base("RR over the tolerance", {
      x: { domain: [0, 1], label: "τ, tolerance" }, y: { ...share, label: "RR (upper bound)" },
      marks: [Plot.ruleX([view.tolerance], { stroke: "currentColor", strokeDasharray: "2 3" }), ...lines(rows, (row) => row.curve, "tolerance", { curve: "step-after" })],
    }));
    const ratio = Plot.plot(base("RR over epsilon", {
      x: ε, y: { ...share, label: `RR(${view.tolerance}) (upper bound)` },
      marks: [Plot.ruleX([String(view.epsilon)], { stroke: "currentColor", strokeDasharray: "2 3" }), ...lines(rows, over("RR"), "epsilon", { marker: "dot" })],
    }));
    const accuracy = Plot.plot(base("RA over epsilon", {
      x: ε, y: { ...share, label: "RA (upper bound)" },
      marks: [Plot.ruleX([String(view.epsilon)], { stroke: "currentColor", strokeDasharray: "2 3" }), ...lines(rows, over("RA"), "epsilon", { marker: "dot" })],
    }));
    const ranked = { RR: (row) => row.RR, RA: (row) => row.RA, stability: (row) => ({ value: row.stability, low: row.stability, high: row.stability }), decided: (row) => row.card.decided || { value: -1 } }[view.by];
    figures.style.gridTemplateColumns = `repeat(${columns()}, minmax(0, 1fr))`;
    figures.replaceChildren(
      legend(rows),
      figure(`RR(τ) at ε = ${view.epsilon}, ${percent} bands`, tau),
      figure(`RR at τ = ${view.tolerance} over ε`, ratio),
      figure("RA over ε", accuracy),
      intervals(rows, `Ranking by ${RANKED[view.by]}, ${percent} intervals`, ranked, RANKED[view.by]),
      intervals(rows, `Clean inputs still decided at a budget of ${view.budget}`, (row) => row.card.decided || { value: -1 }, "share decided")
    );
    const heads = ["rank", "detector", `RR(${view.tolerance})`, "RA", "stability", "band", "decided", "decided, then flipped", "promise"];
    table.replaceChildren(make("table", { class: "dataframe table" },
      make("caption", {}, `Worst case over ${view.attacks.join(", ")} and every smaller ε; shares with ${percent} intervals.`),
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, ...rows.map((row, i) => make("tr", {}, ...[
        i + 1, row.name, between(row.RR), between(row.RA), number(row.stability), number(row.card.band),
        row.card.decided ? between(row.card.decided) : "–", row.card.flipped ? between(row.card.flipped) : "–", row.card.verdict,
      ].map((cell) => make("td", {}, String(cell))))))));
  }
  window.addEventListener("hashchange", () => { view = fromAddress(); draw(); });
  let width = mount.clientWidth;
  window.addEventListener("resize", () => { if (mount.clientWidth !== width) { width = mount.clientWidth; draw(); } });
  window.Explorer = { compute, view: () => view, set, usual };
  draw();
})();
