/* What every page shares: colour mode, menu, source panel, dialogs. No library, nothing fetched from elsewhere. */
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const actions = (window.eaActions = {});
  let opener = null;

  // ---- colour mode: the person's choice wins over the system's, and over Gradio, which sets it once it has loaded
  const wanted = () => {
    const chosen = localStorage.getItem("ea-theme");
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const applyTheme = () => {
    if (document.body.classList.contains("dark") !== wanted()) document.body.classList.toggle("dark", wanted());
  };
  applyTheme();
  new MutationObserver(applyTheme).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);
  actions.theme = () => {
    localStorage.setItem("ea-theme", document.body.classList.contains("dark") ? "light" : "dark");
    applyTheme();
  };

  // ---- a session that has ended leads to the sign-in page, not to a dead button
  const fetched = window.fetch;
  window.fetch = async (...args) => {
    const answer = await fetched(...args);
    if (answer.status === 401) location.assign("/sign-in?next=" + encodeURIComponent(location.pathname + location.search));
    return answer;
  };

  // ---- times are written in UTC; here they take the reader's form and zone
  const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const localised = () => document.querySelectorAll("time.ea-when").forEach((time) => {
    if (time.textContent === time.dataset.said) return;
    time.title = time.textContent;
    time.dataset.said = time.textContent = clock.format(new Date(time.dateTime));
  });

  // ---- what somebody asked for comes into view where it lies below the fold: once, and nobody who scrolls is pulled back
  const ANSWERS = "#gd-said, #ea-progress, #ea-bench, #ad-difference";
  let awaited = false;
  document.addEventListener("click", (event) => { awaited = Boolean(event.target.closest("button")); }, true);
  document.addEventListener("keydown", (event) => { if (event.key === "Enter") awaited = true; }, true);
  for (const kind of ["wheel", "touchmove"]) document.addEventListener(kind, () => { awaited = false; }, { passive: true });
  const revealed = (changes) => {
    const place = awaited && changes.map((one) => (one.target.closest ? one.target : one.target.parentElement)?.closest(ANSWERS)).find((one) => one?.innerText.trim());
    const scroll = place && place.closest("#ea-scroll, #ea-manage-body");
    if (!scroll) return;
    const shown = place.getBoundingClientRect(), frame = scroll.getBoundingClientRect();
    const below = Math.min(shown.bottom - frame.bottom + 24, shown.top - frame.top - 12);
    if (below <= 0) return;
    awaited = false;
    scroll.scrollTop += below;
  };
  new MutationObserver((changes) => { localised(); revealed(changes); })
    .observe(document.body, { childList: true, subtree: true, characterData: true });

  // ---- phone menu
  actions.menu = () => {
    const shown = document.body.classList.toggle("ea-menu-shown");
    (shown ? $(".ea-side-close") : $(".ea-menu-open"))?.focus();
  };

  // ---- source panel
  actions.source = async (control) => {
    const panel = $("#ea-panel"), body = $("#ea-panel-body");
    document.querySelectorAll("[data-act=source][aria-current]").forEach((e) => e.removeAttribute("aria-current"));
    control.setAttribute("aria-current", "true");
    opener = control;
    const href = control.dataset.href;
    panel.hidden = false;
    body.innerHTML = '<p class="ea-source-wait">Opening the source…</p>';
    $("#ea-panel-open").href = href;
    const answer = await fetch(href, { headers: { "X-Fragment": "1" } });
    body.innerHTML = await answer.text(); // escaped by the server: assistant/pages/source.py
    const mark = $("mark", body) || $(".ea-cited", body);
    // not scrollIntoView: it would scroll the page's fixed frame as well
    body.scrollTop = mark ? mark.getBoundingClientRect().top - body.getBoundingClientRect().top + body.scrollTop - body.clientHeight / 3 : 0;
    body.focus({ preventScroll: true });
  };
  actions["close-source"] = () => {
    $("#ea-panel").hidden = true;
    document.querySelectorAll("[data-act=source][aria-current]").forEach((e) => e.removeAttribute("aria-current"));
    if (opener?.isConnected) opener.focus();
  };

  // ---- dialogs: eaDialog(id) resolves to true when it was confirmed
  window.eaDialog = (id, check) => new Promise((done) => {
    const dialog = $("#" + id), form = $("form", dialog);
    const finish = (value) => { form.onsubmit = dialog.onclose = null; if (dialog.open) dialog.close(); done(value); };
    form.onsubmit = (event) => { event.preventDefault(); if (!check || check(dialog)) finish(true); };
    dialog.onclose = () => finish(false);
    dialog.showModal();
  });
  actions.dismiss = (control) => control.closest("dialog").close();

  window.eaMenu = (control) => {
    const menu = $("#ea-menu"), box = control.getBoundingClientRect();
    menu.hidden = false;
    menu.dataset.id = control.dataset.id;
    menu.dataset.title = control.dataset.title;
    menu.style.left = Math.max(8, Math.min(box.left, innerWidth - menu.offsetWidth - 8)) + "px";
    menu.style.top = Math.min(box.bottom + 4, innerHeight - menu.offsetHeight - 8) + "px";
    menu.opener = control;
    $("[role=menuitem]", menu).focus();
    return menu;
  };
  const closeMenu = () => {
    const menu = $("#ea-menu");
    if (!menu || menu.hidden) return false;
    menu.hidden = true;
    if (menu.opener?.isConnected) menu.opener.focus();
    return true;
  };

  document.addEventListener("click", (event) => {
    const control = event.target.closest("[data-act]");
    if (!event.target.closest("#ea-menu") && control?.dataset.act !== "more") closeMenu();
    if (document.body.classList.contains("ea-menu-shown") && event.target.closest("#ea-main") && !control) actions.menu();
    const action = control && actions[control.dataset.act];
    if (!action || event.ctrlKey || event.metaKey) return;
    if (control.tagName !== "A" || control.dataset.act === "open") event.preventDefault();
    action(control, event);
    if (control.closest("#ea-menu")) $("#ea-menu").hidden = true;
  });

  document.addEventListener("keydown", (event) => {
    const menu = $("#ea-menu");
    if (menu && !menu.hidden && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      const items = [...menu.querySelectorAll("[role=menuitem]")];
      const step = event.key === "ArrowDown" ? 1 : -1;
      items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
      event.preventDefault();
    }
    if (event.key !== "Escape" || $("dialog[open]")) return;
    if (closeMenu()) return;
    if (window.eaStop && window.eaStop()) return;
    if (document.body.classList.contains("ea-menu-shown")) return actions.menu();
    if ($("#ea-panel") && !$("#ea-panel").hidden) actions["close-source"]();
  });
})();
