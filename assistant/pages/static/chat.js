/* The chat page: keys, streaming scroll, edit, flag, conversation menu. It sends names and ids; the server decides. */
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const actions = window.eaActions;
  const send = (name, data) => window.eaSend && window.eaSend(name, data);
  const live = () => $("#ea-live .ea-live");
  const typing = () => /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName || "");

  window.eaAddress = (id) => {
    const wanted = id && id !== "temporary" ? "/?c=" + encodeURIComponent(id) : "/";
    if (location.pathname + location.search !== wanted) history.pushState({}, "", wanted);
  };
  window.addEventListener("popstate", () => location.reload());

  window.eaStop = () => {
    const running = live();
    if (!running) return false;
    send("halt", { run: running.dataset.run });
    return true;
  };

  const exchangeOf = (turn) => document.querySelector(`.ea-exchange[data-turn="${CSS.escape(turn)}"]`);
  const say = (text) => { const place = $("#ea-announce p"); if (place) place.textContent = text; };

  // ---- conversations
  window.eaFresh = (temporary) => {
    send("fresh", { temporary });
    document.body.classList.remove("ea-menu-shown");
    $("#ea-question textarea")?.focus();
  };
  actions.open = (control) => {
    send("open", { id: control.dataset.id });
    document.body.classList.remove("ea-menu-shown");
  };
  actions.more = (control) => {
    const menu = window.eaMenu(control);
    menu.querySelectorAll("[data-act=export]").forEach((link) => {
      link.href = `/conversations/${encodeURIComponent(control.dataset.id)}/export?format=${link.dataset.format}`;
    });
  };
  actions.export = () => {};
  actions.rename = async () => {
    const menu = $("#ea-menu"), id = menu.dataset.id, field = $("#ea-rename-text");
    field.value = menu.dataset.title;
    if (await window.eaDialog("ea-rename", () => field.value.trim())) send("rename", { id, title: field.value });
  };
  actions.delete = async () => {
    const menu = $("#ea-menu"), id = menu.dataset.id;
    $("#ea-confirm-title").textContent = "Delete this conversation?";
    $("#ea-confirm-text").textContent = `“${menu.dataset.title}” and its answers will be gone for good.`;
    if (await window.eaDialog("ea-confirm")) send("remove", { id });
  };

  // ---- questions
  actions.suggest = (control) => {
    const field = $("#ea-question textarea");
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(field, control.dataset.text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    setTimeout(() => $("#ea-send").click(), 60);
  };
  actions.regenerate = (control) => { if (!live()) send("again", { turn: control.dataset.turn, text: "" }); };
  actions.edit = (control) => {
    const asked = control.closest(".ea-asked"), bubble = $(".ea-bubble", asked);
    const before = asked.innerHTML, turn = control.dataset.turn;
    const form = document.createElement("form");
    form.className = "ea-edit";
    form.innerHTML = '<textarea rows="3" aria-label="Edit your question"></textarea><div class="ea-buttons">' +
      '<button type="button">Cancel</button><button type="submit" class="ea-primary">Ask again</button></div>';
    const field = $("textarea", form);
    field.value = bubble.textContent;
    const cancel = () => { asked.innerHTML = before; $("[data-act=edit]", asked)?.focus(); };
    $("button", form).onclick = cancel;
    form.onsubmit = (event) => {
      event.preventDefault();
      const text = field.value.trim();
      if (!text || live()) return;
      asked.innerHTML = before;
      send("again", { turn, text });
    };
    field.onkeydown = (event) => {
      if (event.key === "Escape") { event.stopPropagation(); cancel(); }
      if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); form.requestSubmit(); }
    };
    asked.replaceChildren(form);
    field.focus();
  };

  // ---- answers
  actions.copy = async (control) => {
    const text = exchangeOf(control.dataset.turn)?.querySelector(".ea-text, .ea-notice");
    if (!text) return;
    const copy = text.cloneNode(true);
    copy.querySelectorAll(".ea-marker").forEach((m) => { m.textContent = `[${m.textContent}]`; });
    document.body.append(copy); // innerText needs a rendered element
    const plain = copy.innerText.trim();
    copy.remove();
    const links = [...exchangeOf(control.dataset.turn).querySelectorAll(".ea-chip")].map((c) => `[${$(".ea-n", c).textContent}] ${$(".ea-chip-text", c).textContent}`);
    await navigator.clipboard.writeText([plain, ...links].join("\n"));
    control.setAttribute("aria-pressed", "true");
    say("Copied.");
    setTimeout(() => control.removeAttribute("aria-pressed"), 1200);
  };
  const thumb = (kind) => (control) => send("feedback", { turn: control.dataset.turn, kind });
  actions.up = thumb("up");
  actions.down = thumb("down");
  actions.flag = async (control) => {
    const dialog = $("#ea-flag"), turn = control.dataset.turn;
    const reasons = () => [...dialog.querySelectorAll("[name=reason]:checked")].map((box) => box.value);
    const comment = $("#ea-flag-comment"), expected = $("#ea-flag-expected"), error = $(".ea-form-error", dialog);
    $("form", dialog).reset();
    error.hidden = true;
    const sent = await window.eaDialog("ea-flag", () => {
      error.hidden = Boolean(reasons().length || comment.value.trim() || expected.value.trim());
      return error.hidden;
    });
    if (sent) send("feedback", { turn, kind: "flag", reasons: reasons(), comment: comment.value, expected: expected.value });
  };

  // ---- keys
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing()) return;
    event.preventDefault();
    $("#ea-question textarea")?.focus();
  });

  // ---- scroll: a new question comes into view; a growing answer is followed until the reader scrolls up
  let pinned = true, run = "";
  const atEnd = (scroll) => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
  const settle = () => {
    const scroll = $(".ea-chat #ea-scroll");
    if (!scroll) return;
    const now = live()?.dataset.run || "";
    if (now && now !== run) pinned = true;
    run = now || run;
    if (pinned) scroll.scrollTop = scroll.scrollHeight;
  };
  const watch = () => {
    const scroll = $(".ea-chat #ea-scroll");
    if (!scroll) return location.pathname === "/" ? setTimeout(watch, 100) : undefined;
    const left = () => { pinned = atEnd(scroll); };
    for (const name of ["wheel", "touchmove", "keyup"]) scroll.addEventListener(name, () => setTimeout(left, 80), { passive: true });
    new MutationObserver(() => requestAnimationFrame(settle)).observe(scroll, { childList: true, subtree: true, characterData: true });
    new ResizeObserver(settle).observe(scroll);
    $("#ea-question textarea")?.setAttribute("aria-label", "Your question");
    settle();
  };
  watch();
})();
