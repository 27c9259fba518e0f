/* The guards page: reports of false alarms and the policy's versions. It sends ids and reasons; the server decides. */
(() => {
  "use strict";
  const actions = window.eaActions;
  const send = (name, data) => window.eaSend && window.eaSend(name, data);

  actions.guard_decide = (control) => send("guard_decide", { report: control.dataset.id, status: control.dataset.status });
  actions.policy_load = (control) => send("policy_load", { number: control.dataset.number });

  document.addEventListener("submit", (event) => {
    const form = event.target, told = form.matches(".gd-report"), applied = form.matches(".gd-apply");
    if (!told && !applied) return;
    event.preventDefault();
    const text = form.querySelector("input").value, stop = form.closest(".gd-stop");
    if (told) send("guard_report", { turn: stop.dataset.turn, guard: stop.dataset.guard, note: text });
    else send("policy_apply", { number: form.dataset.number, why: text });
    form.reset(); // Gradio keeps the nodes when the list changes, and with them what was written
    if (told) form.closest("details").open = false;
  });
})();
