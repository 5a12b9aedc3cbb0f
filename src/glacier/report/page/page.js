"use strict";
// One run of one pipeline. Everything shown is text from the data: it is set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const STATES = ["succeeded", "cached", "resumed", "failed", "skipped", "cancelled", "running", "waiting"];
const COLUMN = 230, ROW = 46, WIDTH = 180, HEIGHT = 30;
const byId = (id) => document.getElementById(id);

let data = JSON.parse(byId("data").textContent);
let chosen = null;          // the index of the task that is open
let sorted = { key: "order", down: false };
const drawn = { nodes: [], edges: [] };
const view = { x: 0, y: 0, scale: 1 };

function make(tag, attributes = {}, text = null, space = null) {
  const element = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  return element;
}
const draw = (tag, attributes, text = null) => make(tag, attributes, text, SVG);

function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 0.0995) return `${(value * 1000).toFixed(value < 0.00995 ? 1 : 0)} ms`;
  if (value < 59.95) return `${value.toFixed(value < 9.995 ? 2 : 1)} s`;
  const whole = Math.round(value), minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
function bytes(value) {
  if (value === null || value === undefined) return "";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${value.toFixed(unit && value < 100 ? 1 : 0)} ${units[unit]}`;
}
const number = (value) => (value === null || value === undefined ? "" : value.toLocaleString("en"));
const short = (text, most) => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);

// ---- the graph: a column for each level, rows ordered so that edges cross little ----

function placed() {
  const levels = [];
  data.nodes.forEach((node, index) => (levels[node.level] ??= []).push(index));
  const columns = levels.filter(Boolean);
  const above = data.nodes.map(() => []), below = data.nodes.map(() => []);
  for (const [source, target] of data.edges) { above[target].push(source); below[source].push(target); }
  const row = [];
  for (const column of columns) column.forEach((index, at) => (row[index] = at));
  const settle = (column, near) => {
    const wish = new Map(column.map((index) => {
      const rows = near[index].map((other) => row[other]);
      return [index, rows.length ? rows.reduce((sum, at) => sum + at, 0) / rows.length : row[index]];
    }));
    column.sort((a, b) => wish.get(a) - wish.get(b) || a - b);
    column.forEach((index, at) => (row[index] = at));
  };
  for (let sweep = 0; sweep < 4; sweep += 1) {
    columns.forEach((column) => settle(column, above));
    columns.slice().reverse().forEach((column) => settle(column, below));
  }
  // A level of many tasks stands in several columns, so that the whole is about as wide as a screen.
  const most = Math.max(12, Math.ceil(Math.sqrt((data.nodes.length * COLUMN) / ROW / 1.8)));
  const tallest = Math.min(Math.max(...columns.map((column) => column.length), 1), most);
  const spots = [];
  let left = 0;
  columns.forEach((column, at) => {
    const across = Math.ceil(column.length / most), rows = Math.ceil(column.length / across);
    const top = ((tallest - rows) * ROW) / 2;
    column.forEach((index, place) => {
      const x = left + Math.floor(place / rows) * (WIDTH + 16);
      spots[index] = { x, y: top + (place % rows) * ROW, column: at, place };
    });
    left += (across - 1) * (WIDTH + 16) + COLUMN;
  });
  return { spots, columns, above, below, width: left - COLUMN + WIDTH, height: (tallest - 1) * ROW + HEIGHT };
}

let layout;
function drawGraph() {
  layout = placed();
  const world = byId("world");
  world.replaceChildren();
  const critical = new Set(data.critical);
  drawn.edges = data.edges.map(([source, target, kind, reason]) => {
    const from = layout.spots[source], to = layout.spots[target];
    const x1 = from.x + WIDTH, y1 = from.y + HEIGHT / 2, x2 = to.x, y2 = to.y + HEIGHT / 2;
    const bend = Math.max(30, Math.abs(x2 - x1) / 2);
    const path = draw("path", { class: `edge ${kind}`, d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}` });
    path.append(draw("title", {}, reason));
    if (critical.has(source) && critical.has(target) && data.critical.indexOf(target) - data.critical.indexOf(source) === 1) {
      path.classList.add("critical");
    }
    return path;
  });
  world.append(...drawn.edges);
  drawn.nodes = data.nodes.map((node, index) => {
    const spot = layout.spots[index];
    const group = draw("g", { transform: `translate(${spot.x},${spot.y})`, role: "button", tabindex: index === 0 ? "0" : "-1" });
    group.append(
      draw("rect", { width: WIDTH, height: HEIGHT, rx: node.kind === "storage" ? 2 : 8 }),
      draw("rect", { class: "band", width: 6, height: HEIGHT, rx: 3 }),
      draw("text", { x: 14, y: 19 }, short(node.name, 22)),
      draw("title", {}),
    );
    group.addEventListener("click", () => open(index, group));
    group.addEventListener("keydown", (event) => walk(event, index));
    return group;
  });
  world.append(...drawn.nodes);
  dress();
  fit();
  if (!data.whole) byId("graph-hint").textContent = "The graph is not on record: the run had too many tasks, or was recorded without it.";
}

// Shows the states as they are now, on what is drawn already.
function dress() {
  data.nodes.forEach((node, index) => {
    const group = drawn.nodes[index];
    group.setAttribute("class", `node ${node.state}${index === chosen ? " chosen" : ""}`);
    const words = [node.name, node.state, seconds(node.seconds), node.rows === null ? "" : `${number(node.rows)} rows`];
    const label = words.filter(Boolean).join(", ");
    group.setAttribute("aria-label", label);
    group.querySelector("title").textContent = label;
  });
  data.edges.forEach(([source, target], at) => drawn.edges[at].classList.toggle("near", source === chosen || target === chosen));
}

function walk(event, index) {
  const spot = layout.spots[index], column = layout.columns[spot.column];
  const goals = {
    ArrowRight: layout.below[index][0], ArrowLeft: layout.above[index][0],
    ArrowDown: column[spot.place + 1], ArrowUp: column[spot.place - 1],
  };
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(index, drawn.nodes[index]); return; }
  if (!(event.key in goals)) return;
  event.preventDefault();
  if (goals[event.key] !== undefined) reach(goals[event.key]);
}

function reach(index) {
  drawn.nodes.forEach((group, at) => group.setAttribute("tabindex", at === index ? "0" : "-1"));
  drawn.nodes[index].focus({ preventScroll: true });
  const box = byId("graph").getBoundingClientRect(), spot = layout.spots[index];
  const x = spot.x * view.scale + view.x, y = spot.y * view.scale + view.y;
  if (x < 0 || x > box.width - WIDTH * view.scale) view.x = box.width / 2 - spot.x * view.scale;
  if (y < 0 || y > box.height - HEIGHT * view.scale) view.y = box.height / 2 - spot.y * view.scale;
  look();
}

function look() { byId("world").setAttribute("transform", `translate(${view.x},${view.y}) scale(${view.scale})`); }
function fit() {
  byId("graph").style.height = `min(62vh, ${Math.max(layout.height + 60, 180)}px)`;
  const box = byId("graph").getBoundingClientRect();
  const scale = Math.min((box.width - 24) / layout.width, (box.height - 24) / layout.height, 1.2);
  view.scale = Math.max(scale, 0.02);
  view.x = (box.width - layout.width * view.scale) / 2;
  view.y = (box.height - layout.height * view.scale) / 2;
  look();
}
function zoom(by, x, y) {
  const scale = Math.min(Math.max(view.scale * by, 0.02), 4);
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  look();
}
function moveByHand() {
  const graph = byId("graph"), fingers = new Map();
  let apart = 0, moved = false;
  const centre = () => { const box = graph.getBoundingClientRect(); return [box.width / 2, box.height / 2]; };
  byId("closer").addEventListener("click", () => zoom(1.4, ...centre()));
  byId("farther").addEventListener("click", () => zoom(1 / 1.4, ...centre()));
  byId("fit").addEventListener("click", fit);
  graph.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = graph.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * 0.0016), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  graph.addEventListener("pointerdown", (event) => { fingers.set(event.pointerId, event); moved = false; });
  graph.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    fingers.set(event.pointerId, event);
    if (fingers.size === 1) {
      view.x += event.clientX - before.clientX;
      view.y += event.clientY - before.clientY;
      moved ||= Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY) > 2;
      look();
    } else if (fingers.size === 2) {
      const [a, b] = [...fingers.values()], box = graph.getBoundingClientRect();
      const wide = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
      if (apart) zoom(wide / apart, (a.clientX + b.clientX) / 2 - box.left, (a.clientY + b.clientY) / 2 - box.top);
      apart = wide;
    }
  });
  const lift = (event) => { fingers.delete(event.pointerId); apart = 0; };
  for (const kind of ["pointerup", "pointercancel", "pointerleave"]) graph.addEventListener(kind, lift);
  graph.addEventListener("click", (event) => { if (moved) event.stopPropagation(); }, true);
}

// ---- time: a row for each task where they are few, else as many rows as tasks ran at once ----

function drawTime() {
  const ran = data.nodes.map((node, index) => ({ node, index })).filter(({ node }) => node.started !== null);
  ran.sort((a, b) => a.node.started - b.node.started || a.index - b.index);
  const whole = Math.max(data.run.seconds ?? 0, ...ran.map(({ node }) => node.ended ?? node.started), 1e-9);
  const room = Math.max(byId("time").parentElement.clientWidth - 4, 320), narrow = room < 600;
  const named = ran.length <= 60, lanes = [], left = named ? (narrow ? 110 : 190) : 8;
  for (const one of ran) {
    const end = one.node.ended ?? whole;
    let lane = named ? lanes.length : lanes.findIndex((free) => free <= one.node.started);
    if (lane === -1) lane = lanes.length;
    lanes[lane] = end;
    one.lane = lane;
    one.end = end;
  }
  const wide = room - left - 70, high = 20, ticks = narrow ? 2 : 4;
  const time = byId("time"), height = lanes.length * high + 30;
  time.replaceChildren();
  time.setAttribute("viewBox", `0 0 ${room} ${height}`);
  time.style.height = `${height}px`;
  for (let tick = 0; tick <= ticks; tick += 1) {
    const x = left + (wide * tick) / ticks;
    time.append(draw("line", { class: "grid", x1: x, x2: x, y1: 22, y2: height }), draw("text", { x, y: 14 }, seconds((whole * tick) / ticks)));
  }
  const critical = new Set(data.critical);
  for (const { node, index, lane, end } of ran) {
    const x = left + (wide * node.started) / whole, width = Math.max((wide * (end - node.started)) / whole, 1.5);
    const y = 26 + lane * high;
    const bar = draw("rect", { class: `bar ${node.state}${critical.has(index) ? " critical" : ""}`, x, y, width, height: high - 6, rx: 2 });
    bar.append(draw("title", {}, `${node.name}: ${seconds(end - node.started)} from ${seconds(node.started)} on`));
    bar.addEventListener("click", () => open(index, bar));
    time.append(bar);
    if (named) time.append(draw("text", { x: 4, y: y + 11 }, short(node.name, narrow ? 14 : 25)), draw("text", { x: x + width + 5, y: y + 11 }, seconds(end - node.started)));
  }
  const path = data.critical.map((index) => data.nodes[index].name);
  const shown = path.length > 12 ? [...path.slice(0, 6), "…", ...path.slice(-5)] : path;
  byId("critical").textContent = path.length
    ? `What the run waited for (critical path, ${seconds(data.critical_seconds)} of ${seconds(data.run.seconds)}): ${shown.join(" → ")}`
    : "No task ran.";
}

function drawMemory() {
  const points = data.memory, svg = byId("memory");
  svg.replaceChildren();
  if (points.length < 2) {
    svg.style.display = "none";
    byId("peak").textContent = "The run was too short to be sampled.";
    return;
  }
  svg.style.display = "";
  const room = Math.max(svg.clientWidth, 320), high = 140, left = 8;
  const most = Math.max(...points.map(([, size]) => size)), last = points.at(-1)[0] || 1e-9;
  svg.setAttribute("viewBox", `0 0 ${room} ${high}`);
  const line = points.map(([at, size]) => `${(left + ((room - 90) * at) / last).toFixed(1)},${(high - 12 - ((high - 30) * size) / most).toFixed(1)}`);
  svg.append(
    draw("polyline", { class: "curve", points: line.join(" ") }),
    draw("text", { x: room - 76, y: 22 }, bytes(most)), draw("text", { x: room - 76, y: high - 10 }, seconds(last)),
  );
  byId("peak").textContent = `Resident memory of the process, at most ${bytes(most)}.`;
}

// ---- tables ----

const COLUMNS = [
  ["order", "#", true, (node, index) => index + 1, (value) => value],
  ["name", "Task", false, (node) => node.name, null],
  ["state", "State", false, (node) => STATES.indexOf(node.state), null],
  ["started", "Start", true, (node) => node.started, seconds],
  ["seconds", "Duration", true, (node) => node.seconds, seconds],
  ["rows", "Rows", true, (node) => node.rows, number],
  ["memory", "Memory", true, (node) => node.metrics.memory ?? null, bytes],
  ["tries", "Tries", true, (node) => node.attempts.length || (node.started === null ? null : 1), number],
];

function headTasks() {
  const head = byId("tasks").tHead.rows[0];
  head.replaceChildren(...COLUMNS.map(([key, title, numeric]) => {
    const cell = make("th", { scope: "col", ...(numeric ? { class: "number" } : {}) });
    const button = make("button", { type: "button" }, title);
    button.addEventListener("click", () => { sorted = { key, down: sorted.key === key && !sorted.down }; fillTasks(); });
    cell.append(button);
    cell.dataset.key = key;
    return cell;
  }));
  byId("only").append(...STATES.map((state) => make("option", { value: state }, state)));
  byId("find").addEventListener("input", fillTasks);
  byId("only").addEventListener("change", fillTasks);
}

function fillTasks() {
  const words = byId("find").value.toLowerCase(), only = byId("only").value;
  const value = COLUMNS.find(([key]) => key === sorted.key)[3];
  const rows = data.nodes.map((node, index) => [node, index])
    .filter(([node]) => (!only || node.state === only) && `${node.name} ${node.reason ?? ""}`.toLowerCase().includes(words));
  rows.sort(([a, i], [b, j]) => {
    const x = value(a, i), y = value(b, j);
    if (x === y) return i - j;
    if (x === null || y === null) return x === null ? 1 : -1;
    return (x < y ? -1 : 1) * (sorted.down ? -1 : 1);
  });
  for (const cell of byId("tasks").tHead.rows[0].cells) {
    cell.setAttribute("aria-sort", cell.dataset.key !== sorted.key ? "none" : sorted.down ? "descending" : "ascending");
  }
  byId("tasks").tBodies[0].replaceChildren(...rows.map(([node, index]) => {
    const line = make("tr");
    for (const [key, , numeric, get, show] of COLUMNS) {
      const cell = make("td", numeric ? { class: "number" } : {});
      if (key === "name") cell.append(link(index));
      else if (key === "state") { cell.textContent = node.state; cell.className = node.state; }
      else cell.textContent = show(get(node, index));
      line.append(cell);
    }
    return line;
  }));
  byId("found").textContent = rows.length === data.nodes.length ? "" : `${number(rows.length)} of ${number(data.nodes.length)} tasks`;
}

function link(index) {
  const button = make("button", { type: "button" }, data.nodes[index].name);
  button.addEventListener("click", () => open(index, button));
  return button;
}

function table(id, titles, rows) {
  const element = byId(id), head = make("tr");
  head.append(...titles.map((title) => make("th", { scope: "col" }, title)));
  element.tHead.replaceChildren(head);
  element.tBodies[0].replaceChildren(...rows.map((cells) => {
    const line = make("tr");
    line.append(...cells.map((cell) => {
      const made = make("td");
      made.append(...[cell].flat());
      return made;
    }));
    return line;
  }));
}

function fillResources() {
  const links = (indices) => indices.slice(0, 30).flatMap((index) => [link(index), " "]).concat(indices.length > 30 ? [`and ${number(indices.length - 30)} more`] : []);
  table("resources", ["Resource", "Place", "Read by", "Written by", "Invoked by"],
    data.resources.map((one) => [one.name, one.uri, links(one.read_by), links(one.written_by), links(one.invoked_by)]));
  byId("resources").parentElement.hidden = data.resources.length === 0;
  if (!data.resources.length) byId("resources-head").textContent = "Resources: none";
}

function fillCompared() {
  const before = data.previous;
  byId("compared").parentElement.hidden = !before;
  if (!before) { byId("compared-hint").textContent = "There is no earlier run of this pipeline on record."; return; }
  const change = (now, then) => (then ? `${now >= then ? "+" : "−"}${Math.abs(((now - then) / then) * 100).toFixed(0)} %` : "");
  byId("compared-hint").textContent =
    `${before.run_id}, ${before.state}: ${seconds(before.seconds)}; this one ${seconds(data.run.seconds)} (${change(data.run.seconds, before.seconds)}).`;
  const rows = [];
  data.nodes.forEach((node, index) => {
    const then = before.nodes[node.name];
    if (!then) rows.push([Infinity, [link(index), "new", "", node.state, seconds(node.seconds)]]);
    else if (then.state !== node.state || Math.abs((node.seconds ?? 0) - (then.seconds ?? 0)) > 0.005 || then.rows !== node.rows) {
      rows.push([Math.abs((node.seconds ?? 0) - (then.seconds ?? 0)),
        [link(index), then.state === node.state ? node.state : `${then.state} → ${node.state}`,
          `${seconds(then.seconds)}${then.rows === null ? "" : `, ${number(then.rows)} rows`}`,
          `${seconds(node.seconds)}${node.rows === null ? "" : `, ${number(node.rows)} rows`}`, change(node.seconds ?? 0, then.seconds)]]);
    }
  });
  const names = new Set(data.nodes.map((node) => node.name));
  for (const [name, then] of Object.entries(before.nodes)) if (!names.has(name)) rows.push([Infinity, [name, "gone", seconds(then.seconds), "", ""]]);
  rows.sort((a, b) => b[0] - a[0]);
  table("compared", ["Task", "State", "Before", "Now", "Change"], rows.slice(0, 200).map(([, cells]) => cells));
}

// ---- one task ----

let opener = null;
function open(index, from = null) {
  chosen = index;
  opener = from ?? opener;
  dress();
  const node = data.nodes[index], body = byId("detail-body");
  const list = make("dl"), say = (title, value) => {
    if (value === null || value === undefined || value === "") return;
    const text = make("dd");
    text.append(...[value].flat());
    list.append(make("dt", {}, title), text);
  };
  body.replaceChildren(make("h2", {}, node.name), list);
  say("State", make("span", { class: node.state }, node.state));
  say(node.state === "failed" ? "Error" : "Why", node.reason);
  say("Called at", node.site);
  say("Task", node.task);
  say("Gives", node.returns);
  say("Columns", node.columns?.map(([name, type]) => `${name}: ${type}`).join(", "));
  say("Group", node.group);
  say("Duration", seconds(node.seconds));
  say("Started after", node.started === null ? "" : seconds(node.started));
  say("Turns", number(node.turns));
  say("Rows", number(node.rows));
  for (const [name, value] of Object.entries(node.metrics)) say(name, name === "memory" || name.startsWith("bytes") ? bytes(value) : number(value));
  const near = (title, edges, end) => say(title, edges.flatMap(({ edge }) => [link(edge[end]), ` ${edge[3]}`, make("br")]));
  const edges = data.edges.map((edge) => ({ edge }));
  near("Waits for", edges.filter(({ edge }) => edge[1] === index), 0);
  near("Waited for by", edges.filter(({ edge }) => edge[0] === index).slice(0, 30), 1);
  if (node.attempts.length) {
    body.append(make("h3", {}, "Tries"), make("pre", {}, node.attempts.map((one, at) =>
      `${at + 1}. after ${seconds(one.started)}, ${seconds(one.seconds)}: ${one.error ?? "succeeded"}`).join("\n")));
  }
  if (node.log.length) body.append(make("h3", {}, "Log"), make("pre", {}, node.log.join("\n")));
  if (data.codes[node.task]) body.append(make("h3", {}, "Code"), make("pre", {}, data.codes[node.task]));
  byId("detail").hidden = false;
  byId("detail").focus();
}
function close() {
  if (byId("detail").hidden) return;
  byId("detail").hidden = true;
  chosen = null;
  dress();
  opener?.focus?.();
}

// ---- the whole ----

function head() {
  const run = data.run, counts = {};
  for (const node of data.nodes) counts[node.state] = (counts[node.state] ?? 0) + 1;
  document.title = `${run.pipeline}: ${run.state}`;
  byId("pipeline").textContent = run.pipeline;
  byId("state").textContent = run.state;
  byId("state").className = `state ${run.state}`;
  const told = STATES.filter((state) => counts[state]).map((state) => `${number(counts[state])} ${state}`);
  const started = new Date(run.started).toLocaleString();
  byId("summary").textContent = `${number(data.nodes.length)} tasks (${told.join(", ")}) in ${seconds(run.seconds)}, started ${started}. Run ${run.run_id}.`;
  byId("legend").replaceChildren(...STATES.filter((state) => counts[state]).map((state) => make("span", { class: state }, `■ ${state}`)));
  const done = data.nodes.length - (counts.waiting ?? 0) - (counts.running ?? 0);
  byId("progress").hidden = run.state !== "running";
  byId("bar").max = data.nodes.length;
  byId("bar").value = done;
  byId("left").textContent = `${number(done)} of ${number(data.nodes.length)}`;
}

function show() { head(); dress(); drawTime(); drawMemory(); fillTasks(); fillCompared(); }

// A run in progress is served with an address that tells what is new.
async function follow() {
  while (data.run.state === "running" && data.live) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const answer = await fetch(data.live).catch(() => null);
    if (!answer?.ok) continue;
    const fresh = await answer.json();
    const redraw = fresh.nodes.length !== data.nodes.length;
    data = { ...data, ...fresh };
    if (redraw) drawGraph();
    show();
    if (chosen !== null && !byId("detail").contains(document.activeElement)) open(chosen);
  }
}

headTasks();
head();
drawGraph();
moveByHand();
drawTime();
drawMemory();
fillTasks();
fillResources();
fillCompared();
byId("close").addEventListener("click", close);
addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
let resizing;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => { fit(); drawTime(); drawMemory(); }, 100); });
document.documentElement.dataset.ready = Math.round(performance.now());
follow();
