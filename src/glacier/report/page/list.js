"use strict";
// The runs of a project, newest first. Everything shown is text from the data: it is set as text, never as markup.

const byId = (id) => document.getElementById(id);
let data = JSON.parse(byId("data").textContent);

function make(tag, attributes, text) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}
function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(2)} s`;
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
function line(run) {
  const row = document.createElement("tr"), name = document.createElement("td");
  name.append(make("a", { href: `/runs/${encodeURIComponent(run.run_id)}` }, run.pipeline));
  const ended = Object.values(run.counts).reduce((sum, count) => sum + count, 0);
  row.append(
    name,
    make("td", { class: run.state }, run.state),
    make("td", { title: run.run_id }, new Date(run.started).toLocaleString()),
    make("td", { class: "number" }, duration(run.seconds)),
    make("td", { class: "number" }, run.state === "running" ? `of ${run.tasks}` : `${ended} of ${run.tasks}`),
    make("td", {}, run.reason ?? ""),
  );
  return row;
}
function show() {
  byId("home").textContent = `Recorded in ${data.home}`;
  const words = byId("find").value.toLowerCase();
  const runs = data.runs.filter((run) => `${run.pipeline} ${run.state} ${run.run_id} ${run.reason ?? ""}`.toLowerCase().includes(words));
  document.querySelector("#runs tbody").replaceChildren(...runs.map(line));
  byId("found").textContent = data.runs.length ? `${runs.length} of ${data.runs.length} runs` : "No run is on record yet.";
}
async function follow() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const answer = await fetch("/runs.json").catch(() => null);
    if (!answer?.ok) continue;
    const fresh = await answer.json();
    if (JSON.stringify(fresh) === JSON.stringify(data)) continue;
    data = fresh;
    if (!document.querySelector("#runs tbody").contains(document.activeElement)) show();
  }
}
byId("find").addEventListener("input", show);
show();
document.documentElement.dataset.ready = "";
follow();
