// Draws a cell from its layout, whose y grows upwards; a box that is hovered or focused shows what it is made of.
const SVG = "http://www.w3.org/2000/svg";

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function opClass(name) {
  return ["sep", "conv", "pool", "identity"].find(part => name.includes(part)) ?? "other";
}

function linePath(points, height) {
  let path = `M${points[0]},${height - points[1]}`;
  for (let i = 2; i < points.length; i += 2) {
    const middle = height - (points[i - 1] + points[i + 1]) / 2;
    path += `C${points[i - 2]},${middle} ${points[i]},${middle} ${points[i]},${height - points[i + 1]}`;
  }
  return path;
}

// States that a state depends on, itself included.
function ancestors(cell, state) {
  const found = new Set([state]), open = [state];
  while (open.length) {
    const target = open.pop();
    for (const [source, of] of cell.lines) if (of === target && source !== null && !found.has(source)) { found.add(source); open.push(source); }
  }
  return found;
}

function boxText(box) {
  const lines = box.kind === "input" ? [["h(i\u22121)", "h(i)"][Number(box.name)] ?? box.name] : [...box.lines];
  const all = box.detail ? [...lines, box.detail] : lines;
  return all.map((line, place) => {
    const text = svg("text", {x: box.x, y: (all.length - 1) * -5 + place * 10 + 3, ...(box.detail && place === all.length - 1 ? {class: "detail"} : {})});
    const fits = Math.floor(box.width / 5);
    text.textContent = line.length > fits ? `${line.slice(0, fits - 1)}\u2026` : line;
    return text;
  });
}

function cellDrawing(cell, norms) {
  const margin = 12, height = cell.height;
  const picture = svg("svg", {viewBox: `${-margin} ${-margin} ${cell.width + 2 * margin} ${height + 2 * margin}`, role: "group", "aria-label": cell.name});
  const paths = cell.lines.map(([source, target, points]) => {
    const path = svg("path", {d: linePath(points, height), class: source === null ? "" : `s${source}`});
    picture.append(path);
    return {path, source, target};
  });
  const groups = cell.boxes.map(box => {
    const norm = box.kind === "combine" ? ` n${Math.max(0, norms.indexOf(box.detail)) % 6}` : "";
    const kind = box.kind === "op" ? ` ${opClass(box.name)}` : "";
    const name = box.kind === "input" ? `input ${box.name}` : `${box.name}${box.detail ? `, norm ${box.detail}` : ""}, state ${box.state}`;
    const group = svg("g", {class: `box ${box.kind}${kind}${norm}`, tabindex: box.kind === "combine" || box.kind === "input" ? "0" : "-1", role: "img", "aria-label": name});
    const title = svg("title", {});
    title.textContent = name;
    const label = svg("g", {transform: `translate(0 ${height - box.y})`}, ...boxText(box));
    group.append(title, svg("rect", {x: box.x - box.width / 2, y: height - box.y - box.height / 2, width: box.width, height: box.height, rx: box.kind === "input" ? 9 : 3}), label);
    picture.append(group);
    return {group, state: box.state};
  });
  const light = state => {
    const on = state === null ? new Set() : ancestors(cell, state);
    picture.classList.toggle("lit", state !== null);
    for (const each of groups) each.group.classList.toggle("on", on.has(each.state));
    for (const each of paths) each.path.classList.toggle("on", on.has(each.target) && (each.source === null || on.has(each.source)));
  };
  for (const each of groups) {
    each.group.addEventListener("mouseenter", () => light(each.state));
    each.group.addEventListener("mouseleave", () => light(null));
    each.group.addEventListener("focus", () => light(each.state));
    each.group.addEventListener("blur", () => light(null));
  }
  return el("figure", {}, picture, el("figcaption", {}, cell.name));
}
