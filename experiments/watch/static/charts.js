// Elements made of text, never of markup, and charts on uPlot.
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick" || key === "onchange") element[key] = value;
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined));
  return element;
}

const MISSING = "\u2013";
const percent = value => value === null || value === undefined || Number.isNaN(value) ? MISSING : `${(100 * value).toFixed(2)} %`;
const count = value => value === null || value === undefined ? MISSING : Math.round(value).toLocaleString("en");

function amount(value) {
  if (value === null || value === undefined) return MISSING;
  for (const [size, unit] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]]) if (Math.abs(value) >= size) return `${(value / size).toPrecision(3)}${unit}`;
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return MISSING;
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) if (seconds >= size) return `${(seconds / size).toFixed(1)} ${unit}`;
  return `${seconds.toFixed(1)} s`;
}

// A table whose first `words` columns, and the last one if `ends` says so, hold words and the others numbers.
function table(headings, rows, {words = 1, ends = false, caption = null} = {}) {
  const kind = place => place < words || (ends && place === headings.length - 1) ? null : "number";
  const head = el("tr", {}, headings.map((heading, place) => el("th", {scope: "col", class: kind(place)}, heading)));
  const body = rows.map(row => el("tr", {}, row.map((cell, place) => el("td", {class: kind(place), "data-label": headings[place]}, cell instanceof Node ? cell : String(cell ?? MISSING)))));
  return el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": caption ?? headings[0]}, el("table", {class: "cards"}, el("thead", {}, head), el("tbody", {}, body)));
}

function choice(label, options, value, onchange) {
  const select = el("select", {onchange: event => onchange(event.target.value)}, options.map(([key, text]) => el("option", {value: key, selected: String(key) === String(value)}, text)));
  return el("label", {}, `${label} `, select);
}

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const palette = place => colour(`--c${place % 8}`);

function legend(items) {
  return el("ul", {class: "legend"}, items.map(([text, place]) => {
    const swatch = el("span", {class: place < 8 ? "swatch" : "swatch dotted"});
    swatch.style[place < 8 ? "background" : "borderColor"] = palette(place);
    return el("li", {}, swatch, text);
  }));
}

const tip = () => document.getElementById("tip");

function showTip(text, x, y) {
  const box = tip();
  box.textContent = text;
  box.hidden = false;
  const width = box.offsetWidth, height = box.offsetHeight;
  box.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - width - 4))}px`;
  box.style.top = `${Math.max(4, y - height - 10 < 4 ? y + 14 : y - height - 10)}px`;
}

function hideTip() { tip().hidden = true; }

// A chart of series {kind, x, y, low, color, dash, points}: kind is points, line, steps or band (y to low).
// `text(series, place)` describes a point and `open(series, place)` is called for one that is clicked.
class Chart {
  constructor({label, x, y, xLog = false, text = null, open = null, height = 300}) {
    Object.assign(this, {xLabel: x, yLabel: y, xLog, text, open, height, series: [], zoomed: false, picked: -1});
    this.place = el("div", {class: "chart", tabindex: "0", role: "img", "aria-label": label});
    this.element = el("figure", {}, this.place);
    this.label = label;
    this.resizer = new ResizeObserver(() => this.fit());
    this.resizer.observe(this.place);
    this.place.addEventListener("keydown", event => this.key(event));
    this.place.addEventListener("blur", hideTip);
  }

  show(series) {
    this.series = series.filter(each => each.x.length > 0);
    const data = [null, ...this.series.map(each => each.kind === "band" ? [[...each.x, ...each.x], [...each.y, ...each.low]] : [each.x, each.y])];
    const shape = JSON.stringify([this.series.map(each => each.kind), this.xLog, this.xLabel, this.yLabel, colour("--ink")]);
    if (!this.series.length) return this.blank();
    if (this.plot && shape === this.shape) this.plot.setData(data, !this.zoomed);
    else this.build(data, shape);
  }

  blank() {
    this.destroy();
    this.place.replaceChildren(el("p", {class: "empty"}, "Nothing to show yet"));
  }

  destroy() {
    this.plot?.destroy();
    this.plot = null;
  }

  build(data, shape) {
    this.destroy();
    this.place.replaceChildren();
    this.shape = shape;
    this.zoomed = false;
    const axis = (label, more) => ({label, stroke: colour("--ink"), font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 20, grid: {stroke: colour("--grid"), width: 1}, ticks: {stroke: colour("--grid"), width: 1}, ...more});
    const decades = (low, high) => Array.from({length: 24}, (_, place) => place - 8).flatMap(power => [1, 2, 5].map(digit => digit * 10 ** power)).filter(value => value >= low && value <= high);
    const whole = this.xLabel === "Finished trials" ? {incrs: decades(1, 1e9)} : {};
    const axes = [axis(this.xLabel, {...whole, ...(this.xLog ? {splits: (_plot, _axis, low, high) => decades(low, high), filter: (_, splits) => splits} : {}), values: (_, values) => values.map(value => value === null ? "" : amount(value))}), axis(this.yLabel, {size: 58, values: (_, values) => values.map(value => value === null ? "" : String(+value.toPrecision(6)))})];
    const series = [{}, ...this.series.map((_, place) => ({stroke: "transparent", paths: (plot, index) => this.paint(plot, index, place)}))];
    const options = {
      mode: 2, width: Math.max(this.place.clientWidth, 200), height: this.height, legend: {show: false}, padding: [8, 12, 0, 0],
      scales: {x: {time: false, ...(this.xLog ? {distr: 3, range: (_, low, high) => [low / 1.1, high * 1.1]} : {})}, y: {}}, axes, series,
      cursor: {points: {show: false}, x: false, y: false, dataIdx: () => null, drag: {x: true, y: true, uni: 20, dist: 5}, focus: {prox: -1}},
      hooks: {setSelect: [plot => { if (plot.select.width > 0) this.zoomed = true; }]},
    };
    this.plot = new uPlot(options, data, this.place);
    const over = this.plot.over;
    over.addEventListener("mousemove", event => this.hover(event));
    over.addEventListener("mouseleave", hideTip);
    over.addEventListener("dblclick", () => { this.zoomed = false; this.show(this.series); });
    over.addEventListener("click", event => { const found = this.nearest(event.offsetX, event.offsetY); if (found && this.open) this.open(found.series, found.place); });
  }

  paint(plot, index, place) {
    const each = this.series[place], context = plot.ctx, ratio = devicePixelRatio || 1;
    if (!each) return null;
    const at = (x, y) => [plot.valToPos(x, "x", true), plot.valToPos(y, "y", true)];
    context.save();
    context.beginPath();
    context.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    context.clip();
    context.fillStyle = context.strokeStyle = each.color;
    context.globalAlpha = each.alpha ?? 1;
    if (each.kind === "points") this.paintPoints(context, each, at, ratio);
    else this.paintLine(context, each, at, ratio);
    context.restore();
    return null;
  }

  paintPoints(context, each, at, ratio) {
    const size = (each.x.length > 5000 ? 2 : each.x.length > 1000 ? 3.5 : 6) * ratio;
    const round = each.x.length <= 5000;
    context.beginPath();
    for (let i = 0; i < each.x.length; i++) {
      const [x, y] = at(each.x[i], each.y[i]);
      if (!round) context.fillRect(x - size / 2, y - size / 2, size, size);
      else if (each.cross) { context.moveTo(x - size / 2, y - size / 2); context.lineTo(x + size / 2, y + size / 2); context.moveTo(x - size / 2, y + size / 2); context.lineTo(x + size / 2, y - size / 2); }
      else { context.moveTo(x + size / 2, y); context.arc(x, y, size / 2, 0, 2 * Math.PI); }
    }
    if (each.cross) { context.lineWidth = 1.5 * ratio; context.stroke(); } else if (round) context.fill();
  }

  paintLine(context, each, at, ratio) {
    context.lineWidth = (each.width ?? 2) * ratio;
    context.setLineDash((each.dash ?? []).map(length => length * ratio));
    context.beginPath();
    let last = null;
    each.x.forEach((value, i) => {
      const [x, y] = at(value, each.y[i]);
      if (i === 0) context.moveTo(x, y);
      else {
        if (each.kind === "steps") context.lineTo(x, last);
        context.lineTo(x, y);
      }
      last = y;
    });
    if (each.kind !== "band") return context.stroke();
    for (let i = each.x.length - 1; i >= 0; i--) context.lineTo(...at(each.x[i], each.low[i]));
    context.fill();
  }

  nearest(x, y) {
    let best = null, limit = 14 * 14;
    if (!this.plot) return null;
    for (const each of this.series) {
      if (!each.rows) continue;
      for (let i = 0; i < each.x.length; i++) {
        const dx = this.plot.valToPos(each.x[i], "x") - x;
        if (dx * dx >= limit) continue;
        const dy = this.plot.valToPos(each.y[i], "y") - y, distance = dx * dx + dy * dy;
        if (distance < limit) { limit = distance; best = {series: each, place: i}; }
      }
    }
    return best;
  }

  hover(event) {
    const found = this.text && this.nearest(event.offsetX, event.offsetY);
    this.plot.over.style.cursor = found && this.open ? "pointer" : "crosshair";
    if (found) showTip(this.text(found.series, found.place), event.clientX, event.clientY);
    else hideTip();
  }

  // Arrow keys walk along the points, Enter opens one.
  key(event) {
    const points = this.series.flatMap(each => each.rows ? each.x.map((_, place) => ({series: each, place})) : []);
    const step = {ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity}[event.key];
    if (!points.length || !this.text) return;
    if (step !== undefined) {
      event.preventDefault();
      this.picked = Math.max(0, Math.min(points.length - 1, this.picked + step));
      const {series, place} = points[this.picked], box = this.plot.over.getBoundingClientRect();
      showTip(this.text(series, place), box.left + this.plot.valToPos(series.x[place], "x"), box.top + this.plot.valToPos(series.y[place], "y"));
    } else if (event.key === "Enter" && this.open && points[this.picked]) this.open(points[this.picked].series, points[this.picked].place);
    else if (event.key === "Escape") hideTip();
  }

  fit() {
    const width = this.place.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({width, height: this.height});
  }
}
