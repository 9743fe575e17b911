// The page: overview of all runs, or one trial, by the part of the address after #.
const STATE = {live: true, runs: [], statuses: [], preferences: {}, details: [], comparison: null, now: 0, x: "trial", cost: "multiply_adds", kind: "", slot: "", run: 0, replayed: false};
const KEPT = []; // charts on the page
const WINDOW = 100;
const main = () => document.getElementById("main");
const say = text => { const place = document.getElementById("state"); if (place.textContent !== text) place.textContent = text; };

async function ask(path) {
  try {
    const response = await fetch(path);
    return response.ok ? await response.json() : {error: (await response.text()).trim()};
  } catch {
    return {error: "the server does not answer; is nas watch still running?"};
  }
}

function openTrial(run, row) { location.hash = `trial/${run.index}/${run.columns.trial[row]}`; }

const rowsOf = run => run.columns.trial?.map((_, row) => row) ?? [];
const pointText1 = (series, place) => pointText(series.run, series.rows[place]);
const openPoint = (series, place) => openTrial(series.run, series.rows[place]);

// Thins rows for a line to about 1,500 places, the last one included.
function thin(length) {
  const every = Math.max(1, Math.ceil(length / 1500)), rows = [];
  for (let row = 0; row < length; row += every) rows.push(row);
  if (length && rows[rows.length - 1] !== length - 1) rows.push(length - 1);
  return rows;
}

function trialSeries() {
  const groups = strategies(STATE.runs), series = [], measure = STATE.runs.some(run => run.rewarded) && STATE.y === "reward" ? "reward" : "accuracy";
  const scale = measure === "accuracy" ? 100 : 1;
  groups.forEach((group, place) => {
    const color = palette(place);
    const at = (run, row) => STATE.x === "trial" ? row + 1 : run.hours[row];
    for (const run of group.runs) {
      const rows = rowsOf(run).filter(row => run.columns[measure][row] !== null);
      series.push({kind: "points", run, rows, x: rows.map(row => at(run, row)), y: rows.map(row => scale * run.columns[measure][row]), color, alpha: 0.45});
    }
    series.push(...(STATE.x === "trial" ? bandsOf(group, color, measure, scale) : group.runs.flatMap(run => bandsOf({runs: [run]}, color, measure, scale, row => run.hours[row]))));
  });
  return [...series.filter(each => each.kind === "band"), ...series.filter(each => each.kind === "points"), ...series.filter(each => each.kind !== "band" && each.kind !== "points")];
}

// Incumbent (mean over runs, between the lowest and the highest) and moving mean (with one standard deviation).
function bandsOf(group, color, measure, scale, at = row => row + 1) {
  const longest = Math.max(0, ...group.runs.map(run => run.length));
  const rows = thin(longest), size = Math.max(5, Math.min(50, Math.ceil(longest / 5)));
  const smooth = group.runs.map(run => run.once(`moving ${measure} ${size}`, () => moving(run.columns[measure] ?? [], size)));
  const mean = values => values.length ? values.reduce((a, b) => a + b, 0) / values.length : null;
  const of = (lists, row) => lists.map(list => list[row]).filter(value => value !== null && value !== undefined);
  const best = rows.map(row => ({row, values: of(group.runs.map(run => measure === "accuracy" ? run.incumbent : run.once("best reward", () => { let top = null; return run.columns.reward.map(value => top = value === null ? top : Math.max(top ?? -Infinity, value)); })), row)})).filter(each => each.values.length);
  const middle = rows.map(row => ({row, mean: mean(of(smooth.map(each => each.means), row)), spread: mean(of(smooth.map(each => each.deviations), row))})).filter(each => each.mean !== null);
  const line = (kind, found, value, more) => ({kind, x: found.map(each => at(each.row)), y: found.map(each => scale * value(each)), color, ...more});
  return [
    line("band", middle, each => each.mean + each.spread, {low: middle.map(each => scale * (each.mean - each.spread)), alpha: 0.13}),
    ...(group.runs.length > 1 ? [line("band", best, each => Math.max(...each.values), {low: best.map(each => scale * Math.min(...each.values)), alpha: 0.22})] : []),
    line("line", middle, each => each.mean, {dash: [6, 4]}),
    line("steps", best, each => mean(each.values), {width: 2.5}),
  ];
}

function frontSeries() {
  const groups = strategies(STATE.runs);
  return groups.flatMap((group, place) => group.runs.flatMap(run => {
    const {accuracy} = run.columns, cost = run.columns[STATE.cost];
    const rows = rowsOf(run).filter(row => accuracy[row] !== null && cost[row] > 0 && run.columns.status[row] === 0);
    const best = front(rows, cost, accuracy);
    const part = (kind, chosen, more) => ({kind, run, x: chosen.map(row => cost[row]), y: chosen.map(row => 100 * accuracy[row]), color: palette(place), ...more});
    return [part("points", rows, {rows, alpha: 0.4}), part("steps", best)];
  }));
}

function preferenceData() {
  const run = STATE.runs[STATE.run], kind = STATE.kind, replay = STATE.preferences[run.index]?.result;
  if (STATE.replayed && replay) {
    const choices = replay.choices.filter(each => each.kind === kind && (!STATE.slot || each.name === STATE.slot));
    const labels = choices.reduce((a, b) => b.labels.length > a.length ? b.labels : a, []);
    const found = labels.map((_, option) => replay.told.map((_, point) => choices.reduce((sum, each) => sum + (each.points[point][option] ?? 0), 0) / choices.length));
    return {labels, places: replay.told, found};
  }
  const slots = run.slots.map(([name, each], slot) => ({name, each, slot})).filter(({name, each}) => each === kind && (!STATE.slot || name === STATE.slot)).map(({slot}) => slot);
  return run.once(`shares ${kind} ${STATE.slot}`, () => shares(run, kind, slots, WINDOW));
}

function preferenceSeries() {
  const {labels, places, found} = preferenceData();
  return labels.map((label, place) => ({kind: "line", x: places, y: found[place].map(share => 100 * share), color: palette(place), dash: place >= 8 ? [2, 3] : [], rows: places, label}));
}

function progressSeries() {
  const groups = strategies(STATE.runs);
  return groups.flatMap((group, place) => group.runs.flatMap(run => {
    const rows = thin(run.length), color = palette(place);
    const entropy = run.once("entropy", () => moving((run.columns.log_prob ?? []).map(value => value === null ? null : -value), WINDOW).means);
    const repeats = run.once("repeat share", () => moving(run.repeats.map(Number), WINDOW).means);
    const line = (values, scale, more) => { const known = rows.filter(row => values[row] !== null); return {kind: "line", x: known.map(row => row + 1), y: known.map(row => scale * values[row]), color, ...more}; };
    return {entropy: line(entropy, 1), repeats: line(repeats, 100)};
  }));
}

function secondsLeft(run) {
  const perHour = rate(run);
  return run.numTrials === null || perHour === null ? null : 3600 * Math.max(0, run.numTrials - run.length) / perHour;
}

function costs(run) {
  const spent = (run.columns.seconds ?? []).reduce((sum, value) => sum + (value ?? 0), 0);
  const gpus = run.setting("workers.gpus") || 0, share = gpus > 0 ? gpus : run.setting("workers.cpus") ?? 1;
  const left = run.length && run.numTrials !== null ? spent / run.length * Math.max(0, run.numTrials - run.length) : null;
  const hours = value => value === null ? MISSING : `${(value * share / 3600).toPrecision(3)} h`;
  return `${hours(spent)} spent, ${hours(left)} left (${gpus > 0 ? "GPU" : "CPU"})`;
}

function workersText(run) {
  const workers = run.setting("workers.num_workers");
  if (!Number.isInteger(workers)) return `${run.numPending} in flight`;
  return `${Math.min(workers, run.numPending)} of ${workers} busy, ${Math.max(0, run.numPending - workers)} waiting`;
}

function overview() {
  const names = new Map(strategies(STATE.runs).flatMap(group => group.runs.map(run => [run, group.name])));
  const rows = STATE.runs.map(run => {
    const best = run.ranking[0], {columns} = run;
    const recent = moving(run.columns.accuracy ?? [], 20).means.at(-1) ?? null;
    return [run.name, names.get(run), `${count(run.length)} of ${count(run.numTrials)}`, best === undefined ? null : el("span", {}, `${percent(columns.accuracy[best])} `, trialLink(run, best)), percent(recent),
      count(run.failures.length), count(run.repeats.filter(Boolean).length), workersText(run), rate(run) === null ? null : count(rate(run)), duration(secondsLeft(run)), costs(run)];
  });
  const notes = STATE.runs.flatMap(run => [
    ...(run.error ? [el("p", {class: "bad"}, `${run.name}: ${run.error}`)] : []),
    ...(Object.keys(run.unknown ?? {}).length ? [el("p", {class: "quiet"}, `${run.name}: the ledger holds events that this version does not know: ${Object.entries(run.unknown).map(([name, number]) => `${name} (${number})`).join(", ")}`)] : []),
  ]);
  return [table(["Run", "Strategy", "Trials", "Incumbent", "Mean of the last 20", "Failed", "Repeats", "Workers", "Trials an hour", "Time left", "Worker time"], rows, {words: 2, caption: "Runs"}), ...notes];
}

function failureSection() {
  const found = STATE.runs.flatMap(run => run.failures.map(row => ({run, row})));
  if (!found.length) return [el("p", {class: "quiet"}, "No trial has failed.")];
  const kinds = new Map();
  for (const {run, row} of found) { const kind = STATE.statuses[run.columns.status[row]]; kinds.set(kind, (kinds.get(kind) ?? 0) + 1); }
  const last = found.sort((a, b) => b.run.columns.finished[b.row] - a.run.columns.finished[a.row]).slice(0, 50);
  return [el("p", {}, [...kinds].map(([kind, number]) => `${kind}: ${number}`).join(", ")),
    table(["Trial", "Run", "Kind", "Error"], last.map(({run, row}) => [trialLink(run, row), run.name, STATE.statuses[run.columns.status[row]], run.texts.get(row)]), {words: 4, caption: "Failures"})];
}

function rungSection() {
  const rows = STATE.runs.flatMap(run => {
    const rungs = new Map();
    for (const [, , epochs, accuracy, goesOn] of run.rungs) {
      const each = rungs.get(epochs) ?? rungs.set(epochs, {reached: 0, on: 0, best: null}).get(epochs);
      each.reached++;
      each.on += goesOn;
      if (accuracy !== null) each.best = Math.max(each.best ?? 0, accuracy);
    }
    return [...rungs].sort((a, b) => a[0] - b[0]).map(([epochs, each]) => [run.name, epochsText(epochs), each.reached, each.on, each.reached - each.on, percent(each.best)]);
  });
  return rows.length ? [table(["Run", "Epochs", "Reached", "Went on", "Stopped", "Best accuracy"], rows)] : null;
}

function bestSection() {
  const rows = STATE.runs.flatMap(run => run.ranking.slice(0, 10).map((row, rank) => [trialLink(run, row), `${run.name}@${rank + 1}`, percent(run.columns.accuracy[row]), count(run.columns.parameters[row]), amount(run.columns.multiply_adds[row]), duration(run.columns.seconds[row]), inBrief(run, row)]));
  return rows.length ? table(["Trial", "Name for commands", "Accuracy", "Parameters", "Multiply-adds", "Worker time", "Most used"], rows, {words: 2, ends: true, caption: "Best trials"}) : el("p", {class: "quiet"}, "No trial has succeeded yet.");
}

function configSection() {
  const keys = [...new Set(STATE.runs.flatMap(run => Object.keys(run.settings)))];
  const text = value => value === undefined ? MISSING : JSON.stringify(value);
  const differs = key => new Set(STATE.runs.map(run => text(run.settings[key]))).size > 1;
  const names = STATE.runs.map(run => run.name);
  const rows = filter => keys.filter(filter).map(key => [key, ...STATE.runs.map(run => text(run.settings[key]))]);
  const common = keys.filter(key => !differs(key)).map(key => [key, text(STATE.runs[0].settings[key])]);
  return [STATE.runs.length > 1 ? table(["Setting that differs", ...names], rows(differs), {words: 1 + names.length}) : "",
    el("details", {}, el("summary", {}, `${STATE.runs.length > 1 ? "Settings that all runs share" : "Settings"} (${common.length})`), table(["Setting", "Value"], common, {words: 2}))];
}

function interval(value, scale = 100) {
  const each = Array.isArray(value) ? value : [value?.value, value?.low, value?.high];
  const text = number => number === null || number === undefined ? MISSING : (scale * number).toFixed(2);
  return each[1] === null || each[1] === undefined || each[1] === each[0] ? text(each[0]) : `${text(each[0])} (${text(each[1])} to ${text(each[2])})`;
}

function comparisonContent() {
  const answer = STATE.comparison;
  if (answer === null) return [el("button", {type: "button", onclick: async event => { event.target.disabled = true; event.target.textContent = "Computing"; STATE.comparison = await ask("comparison"); render(); }}, "Compute statistics and norms by stage")];
  if (answer.error) return [el("p", {class: "bad"}, answer.error)];
  const {strategies: found, tests, verdict, notes} = answer.result;
  const used = [...new Set(found.flatMap(each => (each.norms ?? []).flatMap(stage => Object.keys(stage.all))))];
  const norms = found.flatMap(each => (each.norms ?? []).flatMap(stage => [["all", stage.all], ["best 10", stage.best]].map(([group, part]) => [each.name, stage.stage, group, ...used.map(norm => percent(part[norm] ?? 0))])));
  return [
    STATE.live ? el("p", {}, el("button", {type: "button", onclick: () => { STATE.comparison = null; render(); }}, "Discard, to compute again")) : "",
    ...verdict.map(text => el("p", {}, text)),
    table(["Strategy", "Runs", "Final (%)", "Duplicates", "Failed"], found.map(each => [each.name, each.num_runs, interval(each.final), each.trials.duplicates, Object.values(each.trials.failed).reduce((a, b) => a + b, 0)])),
    tests.length ? table(["Pair", "Checkpoint", "Difference (points)", "Probability of improvement", "p (Holm)", "Seeds needed"], tests.map(test => [`${test.first} over ${test.second}`, `${amount(test.point)} ${test.axis.replace("_", " ")}`, interval(test.difference), interval(test.probability_of_improvement, 1), test.p_holm.toPrecision(2), test.seeds_needed]), {words: 2}) : "",
    el("h3", {}, "Norms by stage"),
    norms.length ? table(["Strategy", "Stage", "Of", ...used], norms, {words: 3, caption: "Norms by stage"}) : el("p", {class: "quiet"}, "The norms were not searched."),
    ...notes.map(text => el("p", {class: "quiet"}, text)),
  ];
}

// Builds the charts and their controls once; `refresh` fills them.
let PARTS = null;

function section(title, ...content) {
  const id = title.toLowerCase().replace(/[^a-z]+/g, "-");
  const heading = el("h2", {id, tabindex: "-1"}, title);
  return el("section", {"aria-labelledby": id}, heading, ...content);
}

function buildOverview() {
  const dynamic = () => el("div");
  const parts = {overview: dynamic(), legend: dynamic(), best: dynamic(), failures: dynamic(), rungs: dynamic(), config: dynamic(), comparison: dynamic(), preferenceControls: dynamic(), preferenceLegend: dynamic()};
  const trialControls = () => el("div", {class: "controls"}, choice("Horizontal axis", [["trial", "trials"], ["hours", "hours"]], STATE.x, value => { STATE.x = value; parts.trials.xLabel = value === "trial" ? "Finished trials" : "Hours since the start"; parts.trials.zoomed = false; refresh(); }),
    STATE.runs.some(run => run.rewarded) ? choice("Vertical axis", [["accuracy", "accuracy"], ["reward", "reward"]], STATE.y ?? "accuracy", value => { STATE.y = value; parts.trials.yLabel = value === "reward" ? "Reward" : "Accuracy (%)"; parts.trials.zoomed = false; refresh(); }) : "");
  parts.trials = new Chart({label: "Accuracy of each trial, incumbent and moving mean; arrow keys go through the trials, Enter opens one", x: "Finished trials", y: "Accuracy (%)", text: pointText1, open: openPoint, height: 360});
  parts.front = new Chart({label: "Accuracy and cost of each trial, and the front; arrow keys go through the trials, Enter opens one", x: "Multiply-adds", y: "Accuracy (%)", xLog: true, text: pointText1, open: openPoint});
  parts.preferences = new Chart({label: "Preferences of the controller over time", x: "Finished trials", y: "Share (%)", text: (series, place) => `${series.label}: ${series.y[place].toFixed(1)} % at trial ${series.x[place]}`});
  parts.entropy = new Chart({label: "Entropy of proposals over time", x: "Finished trials", y: "Nats", height: 220});
  parts.repeats = new Chart({label: "Share of repeats over time", x: "Finished trials", y: "Repeats (%)", height: 220});
  const costChoice = choice("Cost", [["multiply_adds", "multiply-adds"], ["parameters", "parameters"], ["seconds", "worker seconds"]], STATE.cost, value => { STATE.cost = value; parts.front.xLabel = {multiply_adds: "Multiply-adds", parameters: "Parameters", seconds: "Worker seconds"}[value]; parts.front.zoomed = false; refresh(); });
  main().replaceChildren(...[
    section("Runs", parts.overview),
    section("Trials over time", trialControls(), parts.legend, parts.trials.element, el("p", {class: "quiet"}, "Line: incumbent. Dashed: moving mean with one standard deviation. Bands around incumbents: lowest and highest run of a strategy. Drag to zoom, double-click to reset.")),
    el("div", {class: "columns"},
      section("Accuracy and cost", el("div", {class: "controls"}, costChoice), parts.front.element),
      section("What the controller prefers", parts.preferenceControls, parts.preferences.element, parts.preferenceLegend)),
    el("div", {class: "columns"},
      section("Entropy", parts.entropy.element, el("p", {class: "quiet"}, `Minus the log-probability of the decisions, mean of ${WINDOW} trials: an estimate of the entropy of the proposals.`)),
      section("Repeats", parts.repeats.element, el("p", {class: "quiet"}, `Share of the last ${WINDOW} trials whose architecture had been asked for before.`))),
    section("Best trials", parts.best),
    section("Failures", parts.failures),
    section("Rungs", parts.rungs),
    section("Statistics", parts.comparison),
    section("Configuration", parts.config),
    el("footer", {}, "Made by nas-engine; charts by uPlot (MIT licence)."),
  ]);
  KEPT.push(parts.trials, parts.front, parts.preferences, parts.entropy, parts.repeats);
  PARTS = parts;
}

function showSections() {
  const headings = [...main().querySelectorAll("section:not([hidden]) > h2")];
  const nav = document.getElementById("sections");
  if (nav.childElementCount !== headings.length) nav.replaceChildren(...headings.map(heading => el("a", {href: `#${heading.id}`, onclick: event => { event.preventDefault(); heading.scrollIntoView(); heading.focus(); }}, heading.textContent)));
}

function preferenceControls() {
  const run = STATE.runs[STATE.run], kinds = run.kinds;
  if (!kinds.includes(STATE.kind)) STATE.kind = kinds.includes("op") ? "op" : kinds[0] ?? "";
  const slots = run.slots.filter(([, kind]) => kind === STATE.kind).map(([name]) => [name, name]);
  if (!slots.some(([name]) => name === STATE.slot)) STATE.slot = "";
  const answer = STATE.preferences[run.index];
  const again = change => value => { change(value); PARTS.state = ""; refresh(); };
  const replay = answer?.result ? choice("Show", [["", `shares of the last ${WINDOW} proposals`], ["yes", "probabilities of the policy"]], STATE.replayed ? "yes" : "", again(value => { STATE.replayed = Boolean(value); }))
    : STATE.live && !answer ? el("button", {type: "button", onclick: async event => { event.target.disabled = true; event.target.textContent = "Replaying"; STATE.preferences[run.index] = await ask(`preferences/${run.index}`); STATE.replayed = true; PARTS.state = ""; refresh(); }}, "Replay the policy")
    : el("span", {class: "quiet"}, answer?.error ?? "This controller learns no policy; shown are shares of its proposals.");
  const until = answer?.result?.until;
  return el("div", {class: "controls"},
    STATE.runs.length > 1 ? choice("Run", STATE.runs.map((each, place) => [place, each.name]), STATE.run, again(value => { STATE.run = Number(value); })) : "",
    choice("Kind", kinds.map(kind => [kind, kind]), STATE.kind, again(value => { STATE.kind = value; STATE.slot = ""; })),
    choice("Choice", [["", "all of this kind"], ...slots], STATE.slot, again(value => { STATE.slot = value; })),
    replay, until ? el("span", {class: "quiet"}, `The replay ended after ${until} trials to bound its cost.`) : "");
}

// Replaces controls only if they have changed, so that the focus stays.
function refresh() {
  if (!PARTS) return;
  const fill = (part, content) => part.replaceChildren(...[content].flat().filter(Boolean));
  fill(PARTS.overview, overview());
  const groups = strategies(STATE.runs);
  fill(PARTS.legend, legend(groups.map((group, place) => [`${group.name} (${group.runs.map(run => run.name).join(", ")})`, place])));
  PARTS.trials.show(trialSeries());
  PARTS.front.show(frontSeries());
  const run = STATE.runs[STATE.run], state = JSON.stringify([run.kinds, run.slots.length, STATE.kind, STATE.slot, STATE.run, STATE.replayed, Boolean(STATE.preferences[run.index])]);
  if (state !== PARTS.state) fill(PARTS.preferenceControls, preferenceControls());
  PARTS.state = state;
  const preferences = preferenceSeries();
  PARTS.preferences.show(preferences);
  fill(PARTS.preferenceLegend, legend(preferences.map((series, place) => [`${series.label} ${percent((series.y.at(-1) ?? NaN) / 100)}`, place])));
  const progress = progressSeries();
  PARTS.entropy.show(progress.map(each => each.entropy));
  PARTS.repeats.show(progress.map(each => each.repeats));
  fill(PARTS.best, bestSection());
  fill(PARTS.failures, failureSection());
  const rungs = rungSection();
  PARTS.rungs.parentElement.hidden = rungs === null;
  fill(PARTS.rungs, rungs ?? []);
  showSections();
  fill(PARTS.comparison, comparisonContent());
  if (!PARTS.config.querySelector("details[open]")) fill(PARTS.config, configSection());
}

function render() {
  const match = /^#trial\/(\d+)\/(\d+)$/.exec(location.hash), run = match && STATE.runs[Number(match[1])];
  hideTip();
  if (run) {
    clearCharts();
    showTrial(run, Number(match[2]));
    return;
  }
  if (!PARTS) buildOverview();
  refresh();
}

function clearCharts() {
  for (const chart of KEPT.splice(0)) { chart.resizer.disconnect(); chart.destroy(); }
  PARTS = null;
  document.getElementById("sections").replaceChildren();
}

function start(description) {
  STATE.statuses = description.statuses;
  STATE.runs = description.runs.map((name, index) => new Run(name, index));
  const title = STATE.runs.length === 1 ? STATE.runs[0].name : `${STATE.runs.length} searches`;
  document.getElementById("title").textContent = title;
  document.title = `${title} \u2013 nas`;
  addEventListener("hashchange", render);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => PARTS && refresh());
  addEventListener("beforeprint", () => { document.documentElement.setAttribute("data-print", ""); if (PARTS) refresh(); });
  addEventListener("afterprint", () => { document.documentElement.removeAttribute("data-print"); if (PARTS) refresh(); });
}

function totals() {
  const done = STATE.runs.reduce((sum, run) => sum + run.length, 0);
  return `${count(done)} finished trials in ${STATE.runs.length} ${STATE.runs.length === 1 ? "run" : "runs"}`;
}

async function follow() {
  const since = STATE.runs.map(run => run.since).join(",");
  const answer = await ask(`data?since=${since}`);
  let more = false;
  if (answer.error) say(answer.error);
  else {
    STATE.now = answer.now;
    const changed = answer.runs.map((delta, place) => STATE.runs[place].take(delta)).some(Boolean);
    more = answer.runs.some(delta => delta.more);
    if (STATE.missing && changed) render();
    say(`Live: ${totals()}, ${new Date(1000 * answer.now).toLocaleTimeString()}`);
    if (changed && (!more || performance.now() - (STATE.drawn ?? -1e9) > 1500)) {
      STATE.drawn = performance.now();
      if (PARTS) refresh();
      else if (!main().querySelector("#trial")) render();
    }
  }
  setTimeout(follow, more ? 0 : document.hidden ? 5000 : 800);
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

async function begin() {
  const inside = document.getElementById("data");
  if (!inside) {
    const description = await ask("runs");
    if (description.error) return say(description.error);
    start(description);
    return follow();
  }
  const data = await unpack(inside.textContent.trim());
  Object.assign(STATE, {live: false, details: data.details, comparison: data.comparison, now: data.now});
  data.preferences.forEach((answer, place) => { STATE.preferences[place] = answer; });
  start(data);
  data.deltas.forEach((deltas, place) => deltas.forEach(delta => STATE.runs[place].take(delta)));
  say(`Report of ${totals()}, written ${new Date(1000 * data.now).toLocaleString()}`);
  render();
}

begin();
