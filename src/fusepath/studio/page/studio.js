"use strict";

const SETTLED_MS = 250;
const form = document.getElementById("question");
const answer = document.getElementById("answer");
const field = (id) => document.getElementById(id);
let asking = new AbortController();
let shown = null;

// Sliders are logarithmic: equal ways multiply alike. What is sent is what stands beside them.
const STEPS = 400;
const PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

function quantity(slider) {
  const { low, high, unit } = slider.dataset;
  const value = Number((low * (high / low) ** (slider.value / STEPS)).toPrecision(3));
  const [factor, prefix] = PREFIXES.find(([most]) => value >= most);
  return `${Number((value / factor).toPrecision(3))}${prefix}${unit}`;
}

function tell(slider) {
  const words = quantity(slider);
  document.querySelector(`output[for="${slider.id}"]`).textContent = words;
  slider.setAttribute("aria-valuetext", words);
}

function question() {
  return {
    model: field("model").value,
    device: quantity(field("device")),
    edge: quantity(field("edge")),
    up: quantity(field("up")),
    down: quantity(field("down")),
    workers: Number(field("workers").value),
    grid: field("grid").value || null,
    tau: Number(field("tau").value) || null,
  };
}

async function fetched(path, options = {}) {
  const response = await fetch(path, options);
  const document = await response.json();
  if (!response.ok) {
    throw new Error(document.error);
  }
  return document;
}

function complain(words) {
  field("complaint").textContent = words;
  field("complaint").hidden = !words;
}

// Puts an answer into the page; the path that is chosen and what has the focus stay so.
function render(document_) {
  field("name").textContent = document_.name;
  field("headline").textContent = document_.headline;
  const focused = document.activeElement && document.activeElement.id;
  const chosen = field("path") && field("path").value;
  const names = Object.keys(document_.sections);
  for (const section of [...answer.children]) {
    if (!names.includes(section.dataset.name)) {
      section.remove();
    }
  }
  names.forEach((name, place) => {
    let section = [...answer.children].find((item) => item.dataset.name === name);
    if (!section) {
      section = document.createElement("section");
      section.dataset.name = name;
      answer.insertBefore(section, answer.children[place] || null);
    }
    const heading = document.createElement("h2");
    heading.textContent = name;
    section.innerHTML = document_.sections[name];
    section.prepend(heading);
  });
  show(document_.told);
  const path = field("path");
  if (chosen && Number(chosen) <= Number(path.max)) {
    path.value = chosen;
    path.dispatchEvent(new Event("input"));
  }
  if (focused && answer.contains(field(focused))) {
    field(focused).focus();
  }
}

function offer(document_) {
  const base = `api/answers/${document_.answer}/`;
  field("take").hidden = false;
  field("command").value = document_.command;
  field("plan").href = `${base}plan.json`;
  field("paths-svg").href = `${base}paths.svg`;
  field("times-svg").href = `${base}times.svg`;
}

function offerLayers(layers) {
  const tau = field("tau");
  const known = layers.map(String);
  if (known.join() === [...tau.options].slice(1).map((option) => option.value).join()) {
    return;
  }
  const kept = tau.value;
  tau.replaceChildren(new Option("any", ""), ...known.map((layer) => new Option(layer, layer)));
  tau.value = known.includes(kept) ? kept : "";
}

const pause = (ms, signal) =>
  new Promise((done, failed) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      failed(signal.reason);
    });
  });

async function answered(depth, signal) {
  const begun = performance.now();
  const found = await fetched("api/answers", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ question: question(), depth }),
    signal,
  });
  const ms = Math.round(performance.now() - begun);
  render(found);
  offerLayers(found.fused_layers);
  offer(found);
  shown = found.answer;
  field("status").textContent =
    depth === "quick" ? `Quick answer, ${ms} ms; refining …` : `Refined answer, ${ms} ms.`;
  field("status").dataset.depth = depth;
}

async function ask() {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    await answered("quick", signal);
    complain("");
    await pause(SETTLED_MS, signal);
    await answered("refined", signal);
    const links = await fetched(`api/answers/${shown}/links`, { signal });
    render(links);
    field("status").dataset.depth = "links";
  } catch (error) {
    if (!signal.aborted) {
      field("status").textContent = "";
      complain(error.message);
    }
  }
}

function addModel(key, name) {
  const known = [...field("model").options].find((item) => item.value === key);
  if (!known) {
    field("model").add(new Option(name, key), 0);
  }
  field("model").value = key;
  field("tau").value = "";
}

async function read(file) {
  asking.abort();
  field("status").textContent = `Reading ${file.name} …`;
  try {
    const name = encodeURIComponent(file.name);
    const found = await fetched(`api/models?name=${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: file,
    });
    addModel(found.model, found.name);
    await ask();
  } catch (error) {
    field("status").textContent = "";
    complain(error.message);
  }
}

async function png() {
  const drawn = await (await fetch(field("times-svg").href)).blob();
  const picture = new Image();
  picture.src = URL.createObjectURL(drawn);
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * picture.width;
  canvas.height = 2 * picture.height;
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(picture.src);
  const link = document.createElement("a");
  link.href = canvas.toDataURL("image/png");
  link.download = "times.png";
  link.click();
}

for (const slider of form.querySelectorAll("input[type=range]")) {
  const { low, high, start } = slider.dataset;
  slider.min = 0;
  slider.max = STEPS;
  slider.value = Math.round((STEPS * Math.log(start / low)) / Math.log(high / low));
  tell(slider);
  slider.addEventListener("input", () => {
    tell(slider);
    ask();
  });
}
for (const id of ["workers", "grid", "tau"]) {
  field(id).addEventListener("change", ask);
}
field("model").addEventListener("change", () => {
  field("tau").value = "";
  field("status").textContent = "Reading the model …";
  ask();
});
form.addEventListener("submit", (event) => event.preventDefault());
field("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) {
    read(file);
  }
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const [file] = event.dataTransfer.files;
  if (file) {
    read(file);
  }
});
async function copied(button, words) {
  const before = button.textContent;
  await navigator.clipboard.writeText(words);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 2000);
}

field("copy").addEventListener("click", (event) => copied(event.target, field("command").value));
field("times-png").addEventListener("click", png);

// A session that is watched: its last frames, twice a second, until it is ended or fails.
let watching = 0;

function showFrame(told) {
  if (told.doing) {
    field("watched").textContent = `${told.doing} …`;
  }
  field("server").hidden = told.server === null;
  field("server").textContent = told.server ? "Kill the edge server" : "Start the edge server again";
  if (told.when) {
    putInPlace(field("frame"), told.when);
    putInPlace(field("frames"), told.before);
    const alone = told.alone ? `; the device answered alone: ${told.alone}` : "";
    field("watched").textContent = `Frame ${told.frames}: ${told.headline}${alone}.`;
    field("watched").dataset.alone = String(Boolean(told.alone));
  }
  if (told.complaint) {
    throw new Error(told.complaint);
  }
}

// What scrolls stays the same box, which keeps the focus and where it was scrolled to.
function putInPlace(place, markup) {
  const made = document.createElement("template");
  made.innerHTML = markup;
  const box = place.querySelector(".scrolled");
  if (box) {
    box.replaceChildren(...made.content.querySelector(".scrolled").childNodes);
  } else {
    place.append(made.content);
  }
}

async function follow(turn) {
  while (turn === watching) {
    const told = await fetched("api/session");
    if (turn !== watching) {
      return;
    }
    showFrame(told);
    await new Promise((done) => setTimeout(done, 500));
  }
}

const sent = (path, method, document_) =>
  fetched(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(document_),
  });

function unwatch(words) {
  watching += 1;
  field("watch").textContent = "Watch";
  field("server").hidden = true;
  field("watched").textContent = words;
}

async function watch(event) {
  event.preventDefault();
  if (field("watch").textContent === "Stop") {
    unwatch(`${field("watched").textContent} Stopped.`);
    await fetched("api/session", { method: "DELETE" });
    return;
  }
  watching += 1;
  const turn = watching;
  field("watch").textContent = "Stop";
  field("frame").replaceChildren();
  field("frames").replaceChildren();
  try {
    await sent("api/session", "POST", { answer: shown, edge: field("address").value.trim() || null });
    await follow(turn);
  } catch (error) {
    if (turn === watching) {
      unwatch(`Ended: ${error.message}`);
    }
  }
}

async function toggleServer() {
  const alive = field("server").textContent.startsWith("Start");
  try {
    await sent("api/session/server", "PUT", { alive });
  } catch (error) {
    complain(error.message);
  }
}

field("server").addEventListener("click", toggleServer);
field("session").addEventListener("submit", watch);

// Sessions through faults; the last one that was asked for is shown.
let playing = 0;

async function play() {
  playing += 1;
  const turn = playing;
  const query = new URLSearchParams({ fault: field("fault").value });
  try {
    const told = await fetched(`api/conversations/${field("seed").value}?${query}`);
    if (turn !== playing) {
      return;
    }
    field("conversation").innerHTML = told.drawing;
    field("outcome").textContent = `Seed ${told.seed}: ${told.outcome}.`;
    field("replay").value = told.command;
    field("lines").textContent = told.lines.join("\n");
    field("again").hidden = false;
  } catch (error) {
    field("outcome").textContent = error.message;
  }
}

field("simulation").addEventListener("submit", (event) => {
  event.preventDefault();
  play();
});
field("fault").addEventListener("change", play);
field("next").addEventListener("click", () => {
  field("seed").value = Number(field("seed").value) + 1;
  play();
});
field("copy-seed").addEventListener("click", (event) => copied(event.target, field("seed").value));
field("copy-replay").addEventListener("click", (event) => copied(event.target, field("replay").value));
fetched("api/faults").then((known) => {
  for (const name of known.faults) {
    field("fault").add(new Option(name, name));
  }
}, (error) => complain(error.message));

fetched("api/models").then((known) => {
  for (const name of known.zoo) {
    field("model").add(new Option(name, name));
  }
  for (const { model, name } of known.files) {
    addModel(model, name);
  }
  field("model").value = known.first;
  ask();
}, (error) => complain(error.message));
