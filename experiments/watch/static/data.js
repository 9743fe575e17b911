// Runs as the page knows them: columns that grow by deltas, and what follows from them.
const PLAIN = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

function slotNumber(character) {
  const code = character.charCodeAt(0);
  return code >= 0x100 ? code - 0x100 : PLAIN.indexOf(character);
}

class Run {
  constructor(name, index) {
    this.name = name;
    this.index = index;
    this.generation = -1;
    this.settings = {};
    this.clear();
  }

  clear() {
    this.columns = {};
    this.codes = [];
    this.texts = new Map();
    this.metrics = new Map();
    this.rungs = [];
    this.slots = [];
    this.labels = {};
    this.pending = [];
    this.rowOfTrial = new Map();
    this.known = {};
  }

  get length() { return this.codes.length; }

  get since() { return `${this.generation}.${this.length}.${this.rungs.length}`; }

  // Takes a delta; returns whether anything that is drawn has changed.
  take(delta) {
    if (delta.generation !== this.generation) {
      this.clear();
      this.generation = delta.generation;
    }
    if (delta.start !== this.length) return false; // an answer that was overtaken by another
    const state = JSON.stringify([delta.settings, delta.pending, delta.num_pending, delta.error, delta.unknown]);
    const changed = delta.codes.length > 0 || delta.rungs.length > 0 || state !== this.state;
    this.state = state;
    Object.assign(this, {settings: {}, pending: delta.pending, numPending: delta.num_pending, error: delta.error, unknown: delta.unknown, labels: delta.labels});
    for (const [key, text] of Object.entries(delta.settings)) this.settings[key] = JSON.parse(text);
    if (delta.slots !== null) this.slots = delta.slots;
    for (const [name, values] of Object.entries(delta.columns)) {
      const column = this.columns[name] ??= [];
      for (const value of values) column.push(value);
    }
    for (let row = this.length; row < this.length + delta.codes.length; row++) this.rowOfTrial.set(this.columns.trial[row], row);
    for (const code of delta.codes) this.codes.push(code);
    for (const [row, text] of Object.entries(delta.texts)) this.texts.set(Number(row), text);
    for (const [row, values] of Object.entries(delta.metrics)) this.metrics.set(Number(row), values);
    for (const rung of delta.rungs) this.rungs.push(rung);
    if (changed) this.known = {};
    return changed;
  }

  // A value computed once for the rows that are there.
  once(name, compute) {
    if (!(name in this.known)) this.known[name] = compute();
    return this.known[name];
  }

  setting(key) { return this.settings[key]; }

  get numTrials() { return this.setting("search.num_trials") ?? null; }

  get rewarded() { return (this.setting("reward.name") ?? "accuracy") !== "accuracy"; }

  isFailure(row) { return this.columns.status[row] > 1; }

  get failures() { return this.once("failures", () => [...this.texts.keys()]); }

  // Accuracy of the best trial so far, by row; null before the first success.
  get incumbent() {
    return this.once("incumbent", () => {
      let best = null;
      const {reward, accuracy} = this.columns;
      return (reward ?? []).map((value, row) => {
        if (value !== null && (best === null || this.order(row, best) < 0)) best = row;
        return best === null ? null : accuracy[best];
      });
    });
  }

  // Negative if the trial of row a is better than that of row b: it came further, or as far with a higher reward.
  order(a, b) {
    const {reward, stopped} = this.columns, epochs = row => stopped[row] ?? Number.MAX_VALUE;
    return epochs(b) - epochs(a) || reward[b] - reward[a];
  }

  // Rows of the earliest success of each architecture, best first, those that were stopped early last: RUN@1, RUN@2, ...
  get ranking() {
    return this.once("ranking", () => {
      const seen = new Set(), rows = [];
      for (let row = 0; row < this.length; row++) {
        if (this.columns.reward[row] === null || seen.has(this.columns.twin[row])) continue;
        seen.add(this.columns.twin[row]);
        rows.push(row);
      }
      const {trial} = this.columns;
      return rows.sort((a, b) => this.order(a, b) || trial[a] - trial[b]);
    });
  }

  // Whether each trial repeats an architecture that was asked for by an earlier row.
  get repeats() {
    return this.once("repeats", () => {
      const seen = new Set();
      return (this.columns.twin ?? []).map(twin => seen.has(twin) || !seen.add(twin));
    });
  }

  get hours() { return this.once("hours", () => { const {finished, asked} = this.columns; const start = asked?.[0] ?? 0; return (finished ?? []).map(time => (time - start) / 3600); }); }

  label(slot, code) {
    const [, kind] = this.slots[slot];
    return this.labels[kind]?.[slotNumber(code[slot])] ?? "?";
  }

  // Slots at which the options of the run differ at all.
  get kinds() { return [...new Set(this.slots.map(([, kind]) => kind))].filter(kind => (this.labels[kind] ?? []).length > 1); }
}

// Mean of the last `size` values that are not null at each place, and their standard deviation.
function moving(values, size) {
  const means = [], deviations = [], window = [];
  let sum = 0, squares = 0;
  for (const value of values) {
    if (value !== null) {
      window.push(value);
      sum += value;
      squares += value * value;
      if (window.length > size) {
        const gone = window.shift();
        sum -= gone;
        squares -= gone * gone;
      }
    }
    const mean = window.length ? sum / window.length : null;
    means.push(mean);
    deviations.push(mean === null ? null : Math.sqrt(Math.max(0, squares / window.length - mean * mean)));
  }
  return {means, deviations};
}

// Share of each label among the last `size` proposals, at about 200 places; `slots` are those that count.
function shares(run, kind, slots, size) {
  const labels = run.labels[kind] ?? [];
  const counts = new Int32Array(0x100 + labels.length), places = [], found = labels.map(() => []);
  const characters = labels.map((_, place) => place < PLAIN.length ? PLAIN.charCodeAt(place) : 0x100 + place);
  const every = Math.max(1, Math.floor(run.length / 200));
  let total = 0;
  const add = (code, sign) => {
    if (code === "") return;
    for (const slot of slots) counts[code.charCodeAt(slot)] += sign;
    total += sign * slots.length;
  };
  for (let row = 0; row < run.length; row++) {
    add(run.codes[row], 1);
    if (row >= size) add(run.codes[row - size], -1);
    if (((row + 1) % every === 0 || row === run.length - 1) && total > 0) {
      places.push(row + 1);
      found.forEach((values, label) => values.push(counts[characters[label]] / total));
    }
  }
  return {labels, places, found};
}

// Groups runs of one controller with the same settings; a name says in which settings namesakes differ.
function strategies(runs) {
  const learning = ["search.failure_reward", "search.deterministic", "search.ordered_batch"];
  const own = run => Object.fromEntries(Object.entries(run.settings).filter(([key]) => key.startsWith("controller.") || learning.includes(key)));
  const groups = new Map();
  for (const run of runs) {
    const key = JSON.stringify(Object.entries(own(run)).sort());
    if (!groups.has(key)) groups.set(key, {settings: own(run), runs: []});
    groups.get(key).runs.push(run);
  }
  const all = [...groups.values()];
  for (const group of all) {
    const name = group.settings["controller.name"] ?? "unnamed";
    const namesakes = all.filter(each => (each.settings["controller.name"] ?? "unnamed") === name);
    const keys = [...new Set(namesakes.flatMap(each => Object.keys(each.settings)))].sort();
    const differing = keys.filter(key => new Set(namesakes.map(each => JSON.stringify(each.settings[key]))).size > 1);
    group.name = [String(name), ...differing.map(key => `${key.replace("controller.", "")}=${JSON.stringify(group.settings[key])}`)].join(", ");
  }
  return all;
}

// Trials an hour over the last 50 that finished; null with fewer than two.
function rate(run) {
  const times = run.columns.finished ?? [];
  const last = times.slice(-50);
  const seconds = last.length > 1 ? last[last.length - 1] - last[0] : 0;
  return seconds > 0 ? 3600 * (last.length - 1) / seconds : null;
}

// Rows of trials that none beats in both accuracy and cost, cheapest first.
function front(rows, cost, accuracy) {
  const sorted = [...rows].sort((a, b) => cost[a] - cost[b] || accuracy[b] - accuracy[a]);
  const kept = [];
  for (const row of sorted) if (!kept.length || accuracy[row] > accuracy[kept[kept.length - 1]]) kept.push(row);
  return kept;
}

// Other architectures with the fewest differing slots.
function relatives(run, row, count) {
  const code = run.codes[row], seen = new Set([run.columns.twin[row]]), found = [];
  if (!code) return [];
  for (let other = 0; other < run.length; other++) {
    const theirs = run.codes[other];
    if (!theirs || seen.has(run.columns.twin[other])) continue;
    seen.add(run.columns.twin[other]);
    let distance = 0;
    for (let slot = 0; slot < code.length; slot++) distance += code[slot] !== theirs[slot];
    found.push({row: other, distance});
  }
  return found.sort((a, b) => a.distance - b.distance).slice(0, count);
}
