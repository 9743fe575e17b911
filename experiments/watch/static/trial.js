// The page of one trial.
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function statusText(run, row) {
  const status = STATE.statuses[run.columns.status[row]] ?? "unknown", stopped = run.columns.stopped[row];
  if (run.isFailure(row)) return `failed: ${status}`;
  if (stopped === null) return status;
  return `${status === "cached" ? "cached, " : ""}stopped after ${stopped} epoch${stopped === 1 ? "" : "s"}${stopped === 0 ? " (scores)" : ""}`;
}

function trialLink(run, row, text = null) {
  const trial = run.columns.trial[row];
  return el("a", {href: `#trial/${run.index}/${trial}`}, text ?? `trial ${trial}`);
}

// Short description of the cells, for a tooltip: how often each operation and norm is used.
function inBrief(run, row) {
  const code = run.codes[row], counts = new Map();
  if (!code) return "";
  run.slots.forEach(([, kind], slot) => {
    if (kind !== "op" && kind !== "norm") return;
    const label = run.label(slot, code);
    counts.set(label, (counts.get(label) ?? 0) + 1);
  });
  return [...counts].sort((a, b) => b[1] - a[1]).slice(0, 6).map(([label, number]) => `${number}\u00d7 ${label}`).join(", ");
}

function pointText(run, row) {
  const {columns} = run;
  const lines = [`${run.name}, trial ${columns.trial[row]} (${statusText(run, row)})`];
  if (columns.accuracy[row] !== null) lines.push(`accuracy ${percent(columns.accuracy[row])}${run.rewarded ? `, reward ${columns.reward[row]}` : ""}`);
  if (!run.isFailure(row)) lines.push(`${amount(columns.parameters[row])} parameters, ${amount(columns.multiply_adds[row])} multiply-adds, ${duration(columns.seconds[row])}`);
  else lines.push((run.texts.get(row) ?? "").slice(0, 200));
  return [...lines, inBrief(run, row)].filter(Boolean).join("\n");
}

function commandLine(text) {
  const code = el("code", {}, text);
  const button = el("button", {type: "button", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }}, "Copy");
  button.setAttribute("aria-label", `Copy the command ${text}`);
  return el("div", {class: "command"}, code, button);
}

function commands(run, row) {
  const rank = run.ranking.findIndex(each => run.columns.twin[each] === run.columns.twin[row]) + 1;
  if (!rank) return [el("p", {class: "quiet"}, "A trial without a result has no rank by which commands could name it.")];
  const trial = quoted(`${run.name}@${rank}`), out = `trial-${run.columns.trial[row]}`;
  const config = {digits: "digits_full", cifar10: "cifar10_small"}[run.setting("data.name")] ?? "imagenette_small";
  const data = run.setting("data.name") === "digits" ? "" : ` --data ${quoted(String(run.setting("data.root") ?? "FOLDER"))}`;
  return [
    commandLine(`nas train ${config} --arch ${trial}${data} --out runs/${out}`),
    commandLine(`nas draw ${trial} --out ${out}.svg`),
    commandLine(`nas export ${trial} --out ${out}`),
  ];
}

function decisionTable(run, row) {
  const code = run.codes[row];
  if (!code) return el("p", {class: "quiet"}, "The decisions of this trial are in its ledger only.");
  const start = Math.max(0, row - 100);
  const rows = run.slots.map(([name, kind], slot) => [name, kind, slot]).filter(([, kind]) => run.kinds.includes(kind)).map(([name, , slot]) => {
    let same = 0, total = 0;
    for (let other = start; other < row; other++) if (run.codes[other]) { total++; same += run.codes[other][slot] === code[slot]; }
    return [name, run.label(slot, code), total ? percent(same / total) : null, policyProbability(run, row, name, run.label(slot, code))];
  });
  return table(["Choice", "Decision", "Share of the 100 trials before", "Probability under the replayed policy"], rows, {words: 2, caption: "Decisions"});
}

// Probability of an option at the last point of the replay before a trial; null without a replay.
function policyProbability(run, row, name, label) {
  const replay = STATE.preferences[run.index]?.result;
  const choice = replay?.choices.find(each => each.name === name);
  const option = choice?.labels.indexOf(label) ?? -1;
  const point = replay ? replay.told.findLastIndex(told => told <= row) : -1;
  return option < 0 || point < 0 ? null : percent(choice.points[point][option]);
}

// Epochs of a rung; at 0 epochs scores decide.
const epochsText = epochs => epochs === 0 ? "0 (scores)" : epochs;

function learningCurve(run, row) {
  const trial = run.columns.trial[row];
  const reports = run.rungs.filter(rung => rung[1] === trial), points = reports.filter(rung => rung[3] !== null);
  if (!reports.length) return [el("p", {class: "quiet"}, "The ledger holds the final accuracy of this trial only.")];
  const decisions = table(["Epochs", "Accuracy", "Decision"], reports.map(rung => [epochsText(rung[2]), percent(rung[3]), rung[4] ? "goes on" : "stopped"]), {words: 0});
  if (!points.length) return [decisions];
  const chart = new Chart({label: "Learning curve", x: "Epochs", y: "Accuracy (%)", height: 220});
  KEPT.push(chart);
  chart.show([{kind: "line", x: points.map(rung => rung[2]), y: points.map(rung => 100 * rung[3]), color: palette(0)}]);
  return [chart.element, decisions];
}

function stageTable(stages) {
  const rows = stages.map(each => [each.name, count(each.num_parameters), amount(each.num_multiply_adds), amount(each.num_activations)]);
  return table(["Stage", "Parameters", "Multiply-adds", "Activations"], rows, {caption: "Cost by stage"});
}

function stageSection(run, trial, details) {
  const place = el("div");
  const show = answer => place.replaceChildren(answer.error ? el("p", {class: "bad"}, answer.error) : stageTable(answer.result));
  if (details?.stages) show(details.stages);
  else if (STATE.live) place.append(el("button", {type: "button", onclick: async event => {
    event.target.disabled = true;
    event.target.textContent = "Counting";
    show(await ask(`stages/${run.index}/${trial}`));
  }}, "Count by stage"));
  else place.append(el("p", {class: "quiet"}, "This report holds the cost by stage of the best trials only."));
  return place;
}

async function trialDetails(run, trial) {
  if (!STATE.live) return STATE.details[run.index]?.[trial] ?? null;
  const answer = await ask(`trial/${run.index}/${trial}`);
  return answer.error ? null : answer;
}

async function showTrial(run, trial) {
  const row = run.rowOfTrial.get(trial), {columns} = run;
  const back = el("p", {}, el("a", {href: "#"}, "Back to all trials"));
  const heading = el("h2", {tabindex: "-1", id: "trial"}, `Trial ${trial} of ${run.name}`);
  STATE.missing = row === undefined;
  if (STATE.missing) {
    const flying = run.pending.some(([id]) => id === trial);
    main().replaceChildren(back, heading, el("p", {}, flying ? "It was asked for and has not finished yet." : "There is no such trial."));
    return;
  }
  const details = await trialDetails(run, trial);
  const facts = [["Outcome", statusText(run, row)], ["Accuracy", percent(columns.accuracy[row])], ...(run.rewarded ? [["Reward", columns.reward[row]]] : []),
    ["Parameters", count(columns.parameters[row])], ["Multiply-adds", amount(columns.multiply_adds[row])], ["Worker time", duration(columns.seconds[row])],
    ["Asked", new Date(1000 * columns.asked[row]).toLocaleString()], ["Finished", new Date(1000 * columns.finished[row]).toLocaleString()],
    ["Log-probability of the decisions", columns.log_prob[row]], ["Fingerprint", details?.fingerprint], ["Seed", details?.seed],
    ...Object.entries(run.metrics.get(row) ?? {})];
  const twins = columns.twin.map((twin, other) => other).filter(other => other !== row && columns.twin[other] === columns.twin[row]).slice(0, 50);
  const close = relatives(run, row, 8);
  const norms = run.labels.norm ?? [];
  const cells = details?.cells?.length ? el("div", {class: "cells"}, details.cells.map(cell => cellDrawing(cell, norms)))
    : el("p", {class: "quiet"}, STATE.live ? "This architecture has no cells to draw." : "This report holds drawings of the best trials only; the decisions below describe the cells.");
  main().replaceChildren(
    back, heading,
    run.texts.has(row) ? el("pre", {class: "bad"}, run.texts.get(row)) : "",
    el("section", {}, el("h3", {}, "Cells"), cells),
    el("div", {class: "columns"},
      el("section", {}, el("h3", {}, "Result"), table(["Fact", "Value"], facts, {caption: "Result"})),
      el("section", {}, el("h3", {}, "Commands"), commands(run, row), el("h3", {}, "Learning curve"), learningCurve(run, row)),
      el("section", {}, el("h3", {}, "Cost by stage"), stageSection(run, trial, details)),
      el("section", {}, el("h3", {}, "Same architecture"), twins.length ? table(["Trial", "Outcome", "Accuracy"], twins.map(other => [trialLink(run, other), statusText(run, other), percent(columns.accuracy[other])]), {words: 2}) : el("p", {class: "quiet"}, "No other trial has this architecture."),
        el("h3", {}, "Nearest relatives"), close.length ? table(["Trial", "Decisions that differ", "Accuracy"], close.map(({row: other, distance}) => [trialLink(run, other), distance, percent(columns.accuracy[other])])) : el("p", {class: "quiet"}, "There is no other architecture."))),
    el("section", {}, el("h3", {}, "Decisions"), decisionTable(run, row)),
  );
  heading.focus();
  scrollTo(0, 0);
}
