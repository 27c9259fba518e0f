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
  actions.ad_sure = async (control) => {
    const { event, job, title, text, label, keep } = control.dataset;
    const dialog = $("#ea-confirm"), go = $("[type=submit]", dialog);
    $("#ea-confirm-title").textContent = title;
    $("#ea-confirm-text").textContent = text;
    $("[data-act=dismiss]", dialog).textContent = keep;
    go.textContent = label;
    go.className = event === "retrain_ask" ? "ea-primary" : "ea-danger";
    if (await window.eaDialog("ea-confirm")) send(event, { job: job || "" });
  };
  actions.adapter_open = (control) => send("adapter_open", { adapter: control.dataset.adapter });
  actions.adapter_diff = (control) => send("adapter_diff", { adapter: control.dataset.adapter, other: $("#ad-other").value });

  // ---- the form of a trial: one line for each adapter, several in an A/B test only
  const mode = (form) => $("[name=ad-mode]:checked", form)?.value || "";
  const lines = (form) => [...form.querySelectorAll(".ad-try")].filter((line) => !line.hidden);
  const adapter = (line) => $("[name=ad-adapter]", line), share = (line) => $("[name=ad-share]", line);
  const chosen = (form, name) => (mode(form) === "shadow" ? [] : [...form.querySelectorAll(`[name=ad-${name}]:checked`)].map((box) => box.value));
  const total = (form) => lines(form).reduce((sum, line) => sum + Number(share(line).value), 0);
  const percent = (number) => `${Number(number.toFixed(2))} %`;

  const shown = (form) => {
    const ab = mode(form) === "ab";
    form.querySelectorAll(".ad-try").forEach((line, place) => {
      line.hidden = place > 0 && !ab;
      $(".ad-share", line).hidden = mode(form) === "canary";
      $("[data-act=ad_try_less]", line).hidden = !ab || place === 0;
    });
    $(".ad-whom", form).hidden = mode(form) === "shadow";
    $("[data-act=ad_try_more]", form).hidden = !ab || lines(form).length >= adapter(form).options.length;
    const split = $(".ad-split", form), whom = [...chosen(form, "departments"), ...chosen(form, "groups")];
    const left = 100 - total(form), people = whom.length ? `the people in ${whom.join(", ")}` : "the people";
    split.hidden = !ab || !(left >= 0 && left < 100);
    split.textContent = `${form.dataset.production} answers the other ${percent(left)} of ${people}${whom.length ? ", and everybody else." : "."}`;
  };
  const complain = (form, text, at) => {
    const said = $(".ea-form-error", form);
    form.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
    said.hidden = !text;
    said.textContent = text;
    if (!at) return;
    at.setAttribute("aria-invalid", "true");
    at.setAttribute("aria-describedby", said.id);
    at.focus();
  };
  /** What is wrong with the form and where; nothing where it may be sent. */
  const wrong = (form) => {
    const seen = new Set();
    for (const line of lines(form)) {
      if (seen.has(adapter(line).value)) return [`${adapter(line).value} is named twice: choose another adapter, or remove the line.`, adapter(line)];
      seen.add(adapter(line).value);
      const number = Number(share(line).value);
      if (mode(form) !== "canary" && !(number > 0 && number <= 100)) return ["A share is a number of per cent above 0, and at most 100.", share(line)];
    }
    if (mode(form) === "ab" && total(form) > 100) return [`The shares are ${percent(total(form))} together, and 100 % is everybody: lower one.`, share(lines(form).at(-1))];
    const reason = $("#ad-reason", form);
    return reason.value.trim() ? [] : ["Say why: the reason is kept with the change.", reason];
  };

  actions.ad_try_more = (control) => {
    const form = control.closest(".ad-form"), taken = lines(form).map((line) => adapter(line).value);
    const made = $(".ad-try", form).cloneNode(true);
    $(".ad-tried", form).append(made);
    adapter(made).value = [...adapter(made).options].map((one) => one.value).find((name) => !taken.includes(name));
    share(made).value = Math.max(0, Math.min(20, 100 - total(form) + Number(share(made).value)));
    shown(form);
    adapter(made).focus();
  };
  actions.ad_try_less = (control) => {
    const form = control.closest(".ad-form");
    control.closest(".ad-try").remove();
    shown(form);
    $("[data-act=ad_try_more]", form).focus();
  };
  for (const kind of ["change", "input"]) document.addEventListener(kind, (event) => {
    const form = event.target.closest?.(".ad-form");
    if (!form) return;
    shown(form);
    complain(form, "");
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest?.(".ad-form");
    if (!form) return;
    event.preventDefault();
    const [text, at] = wrong(form);
    complain(form, text || "", at);
    if (text) return;
    send("rollout_start", {
      mode: mode(form), arms: lines(form).map((line) => `${adapter(line).value}=${mode(form) === "canary" ? 1 : share(line).value}`).join("\n"),
      groups: chosen(form, "groups").join("\n"), departments: chosen(form, "departments").join("\n"), reason: $("#ad-reason", form).value.trim(),
    });
  });
})();
