"use strict";
for (const form of document.forms) {
  const button = form.querySelector("button[data-busy]");
  if (!button) continue;
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
    button.setAttribute("aria-disabled", "true");
    form.querySelector(".busy").textContent = button.dataset.busy;
  });
  window.addEventListener("pageshow", () => {
    delete form.dataset.sent;
    button.removeAttribute("aria-disabled");
    form.querySelector(".busy").textContent = "";
  });
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
