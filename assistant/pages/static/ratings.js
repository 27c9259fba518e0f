/* The ratings page: the form of one item, and its keys. It sends choices and ids; the server decides. */
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const actions = window.eaActions;
  const send = (name, data) => window.eaSend && window.eaSend(name, data);
  const shown = () => $(".rt-item");
  let item = "", opened = 0;

  const groups = () => [...document.querySelectorAll(".rt-form fieldset")];
  const picked = (group) => group.querySelector(":checked");
  const save = () => {
    const one = shown(), error = $(".rt-form .ea-form-error"), open = groups().find((group) => !picked(group));
    if (open) {
      error.textContent = one.dataset.kind === "pair" ? "Choose which answer is better." : "Choose a value on every line.";
      error.hidden = false;
      return $("input", open).focus();
    }
    const scores = {};
    groups().forEach((group) => { if (group.dataset.key) scores[group.dataset.key] = Number(picked(group).value); });
    send("rating_save", {
      item: one.dataset.item, batch: one.dataset.batch, scores, comment: $("#rt-comment").value,
      preferred: $("[name=rt-preferred]:checked")?.value || "", seconds: (performance.now() - opened) / 1000,
    });
  };
  const choose = (digit) => {
    const group = groups().find((one) => !picked(one)) || groups().at(-1);
    const box = group && group.querySelectorAll("input")[digit - 1];
    if (!box) return;
    box.checked = true;
    $(".rt-form .ea-form-error").hidden = true;
  };

  actions.rating_start = (control) => send("rating_start", { batch: control.dataset.id });
  actions.rating_results = (control) => send("rating_results", { batch: control.dataset.id });
  actions.rating_back = () => send("rating_back", {});
  actions.rating_skip = () => send("rating_skip", { item: shown().dataset.item, batch: shown().dataset.batch });

  document.addEventListener("submit", (event) => {
    if (!event.target.matches(".rt-form")) return;
    event.preventDefault();
    save();
  });
  document.addEventListener("keydown", (event) => {
    if (location.pathname !== "/ratings" || $("dialog[open]")) return;
    const typing = document.activeElement?.tagName === "TEXTAREA";
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && shown()) { event.preventDefault(); return save(); }
    if (event.key === "Escape" && ($(".rt-item") || $(".rt-results"))) {
      return typing ? document.activeElement.blur() : actions.rating_back();
    }
    if (typing || !shown() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^[1-9]$/.test(event.key)) { event.preventDefault(); choose(Number(event.key)); }
    if (event.key.toLowerCase() === "n") { event.preventDefault(); $("#rt-comment").focus(); }
  });

  const watch = () => {
    const page = $("#ea-rating");
    if (!page) return location.pathname === "/ratings" ? setTimeout(watch, 100) : undefined;
    new MutationObserver(() => {
      const now = shown()?.dataset.item || "";
      if (now === item) return;
      item = now;
      opened = performance.now();
      $(".rt-form")?.reset(); // Gradio keeps the nodes of the item before, and with them what was chosen and written there
      shown()?.focus({ preventScroll: true }); // or the keys would go into the comment
      const scroll = $("#ea-scroll");
      if (scroll) scroll.scrollTop = 0;
    }).observe(page, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-item"] });
  };
  watch();
})();
