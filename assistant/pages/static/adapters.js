/* The adapters page: a reason before each act, the form of a trial, the difference of two. It sends names; the server decides. */
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const actions = window.eaActions;
  const send = (name, data) => window.eaSend && window.eaSend(name, data);

  actions.ad_why = async (control) => {
    const { event, do: act, label, why, adapter, to } = control.dataset;
    const dialog = $("#ea-why"), reason = $("#ea-why-reason"), missing = $(".ea-form-error", dialog), go = $("[type=submit]", dialog);
    $("#ea-why-title").textContent = adapter ? `${label}: ${adapter}` : `${label}?`;
    $("#ea-why-text").textContent = why;
    go.textContent = label;
    go.className = ["kill", "block"].includes(act) ? "ea-danger" : "ea-primary";
    reason.value = "";
    missing.hidden = true;
    const given = () => { missing.hidden = Boolean(reason.value.trim()); return missing.hidden; };
    if (!(await window.eaDialog("ea-why", given))) return;
    send(event, { do: act, reason: reason.value.trim(), adapter: adapter || "", to: to || "" });
  };
  actions.adapter_open = (control) => send("adapter_open", { adapter: control.dataset.adapter });
  actions.adapter_diff = (control) => send("adapter_diff", { adapter: control.dataset.adapter, other: $("#ad-other").value });

  // ---- the form of a trial
  const mode = (form) => $("[name=ad-mode]:checked", form)?.value || "";
  document.addEventListener("change", (event) => {
    const form = event.target.closest?.(".ad-form");
    if (!form) return;
    $(".ad-share", form).hidden = mode(form) === "canary";
    $(".ad-groups", form).hidden = mode(form) === "shadow";
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest?.(".ad-form");
    if (!form) return;
    event.preventDefault();
    const reason = $("#ad-reason", form).value.trim();
    $(".ea-form-error", form).hidden = Boolean(reason);
    if (!reason) return $("#ad-reason", form).focus();
    const chosen = mode(form) === "shadow" ? [] : [...form.querySelectorAll("[name=ad-group]:checked")];
    send("rollout_start", {
      mode: mode(form), adapter: $("#ad-adapter", form).value, share: $("#ad-share", form).value,
      groups: chosen.map((box) => box.value).join(","), reason,
    });
  });
})();
