"use strict";

function show(data) {
  const path = document.getElementById("path");
  const told = document.getElementById("told");
  const which = document.getElementById("which");

  function choose(number) {
    path.value = number;
    which.textContent = number;
    told.textContent = data.paths[number - 1];
    for (const item of document.querySelectorAll("[data-path], [data-halo]")) {
      const own = item.dataset.path || item.dataset.halo;
      item.classList.toggle("chosen", own === String(number));
    }
  }

  let kept = 1;
  function keep(number) {
    kept = number;
    choose(number);
  }

  path.addEventListener("input", () => keep(Number(path.value)));
  for (const item of document.querySelectorAll("[data-path]")) {
    const number = Number(item.dataset.path);
    item.addEventListener("mouseenter", () => choose(number));
    item.addEventListener("mouseleave", () => choose(kept));
    item.addEventListener("click", () => keep(number));
  }
  choose(kept);

  const rate = document.getElementById("rate");
  if (rate) {
    const words = document.getElementById("at-rate");
    const cursor = document.getElementById("cursor");
    const move = () => {
      words.textContent = data.rates[rate.value];
      cursor.setAttribute("x", data.at[rate.value]);
    };
    rate.addEventListener("input", move);
    move();
  }
}

const data = document.getElementById("data");
if (data) {
  show(JSON.parse(data.textContent));
}
