/* The review page: marking the right words, the form of the decision, keys. It sends names and ids; the server decides. */
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const actions = window.eaActions;
  const send = (name, data) => window.eaSend && window.eaSend(name, data);
  const shown = () => $(".rv-case");
  const form = () => $(".rv-case .rv-form");
  const points = (text) => Array.from(text).length; // Python counts code points, JavaScript UTF-16 units
  const now = { item: "", opened: 0, span: null, own: false, sentence: -1 }; // own: marked here, not suggested

  // ---- marking
  const texts = () => [...document.querySelectorAll(".rv-case .rv-text")];
  const unmark = () => texts().forEach((text) => { if ($("mark", text)) text.textContent = text.textContent; });
  const draw = () => {
    unmark();
    const where = $(".rv-where");
    where?.replaceChildren();
    if (!now.span) return;
    const text = texts().find((one) => one.dataset.passage === now.span.passage);
    if (!text) return;
    const all = Array.from(text.textContent), mark = document.createElement("mark");
    mark.textContent = all.slice(now.span.start, now.span.end).join("");
    text.replaceChildren(all.slice(0, now.span.start).join(""), mark, all.slice(now.span.end).join(""));
    if (!where) return;
    const link = document.createElement("button");
    Object.assign(link, { type: "button", className: "rv-link", textContent: `Marked in passage ${texts().indexOf(text) + 1}` });
    link.dataset.act = "review_show";
    where.replaceChildren(link);
  };
  const mark = (text, from, to) => {
    const all = text.textContent;
    while (from < to && /\s/.test(all[from])) from += 1;
    while (to > from && /\s/.test(all[to - 1])) to -= 1;
    if (to <= from) return;
    now.span = { passage: text.dataset.passage, start: points(all.slice(0, from)), end: points(all.slice(0, to)) };
    now.own = true;
    choose("rv-decision", decision() === "fix_document" ? "fix_document" : "train");
    if (decision() === "train") choose("rv-kind", "span");
    $("#rv-words").value = all.slice(from, to);
    refresh();
    draw();
  };
  const offset = (text, node, place) => {
    const range = document.createRange();
    range.setStart(text, 0);
    range.setEnd(node, place);
    return range.toString().length;
  };
  const sentences = (text) => [...new Intl.Segmenter(undefined, { granularity: "sentence" }).segment(text.textContent)]
    .flatMap(({ segment, index }) => { // a line end ends a sentence too: headings, list items, table rows
      let at = index;
      return segment.split(/(?<=\n)/).map((part) => { const found = [at, at + part.length]; at += part.length; return found; });
    })
    .filter(([from, to]) => text.textContent.slice(from, to).trim());
  document.addEventListener("mouseup", (event) => {
    const text = event.target.closest?.(".rv-case .rv-text");
    const selected = getSelection();
    if (!text || !form() || !selected.rangeCount) return;
    const range = selected.getRangeAt(0);
    if (!text.contains(range.startContainer) || !text.contains(range.endContainer)) return;
    const from = offset(text, range.startContainer, range.startOffset);
    const to = offset(text, range.endContainer, range.endOffset);
    selected.removeAllRanges();
    if (to > from) return mark(text, from, to);
    const found = sentences(text).find(([start, end]) => start <= from && from < end);
    if (found) mark(text, ...found);
  });
  const step = (by) => {
    const every = texts().flatMap((text) => sentences(text).map((place) => [text, ...place]));
    if (!every.length) return;
    now.sentence = (now.sentence + by + every.length) % every.length;
    mark(...every[now.sentence]);
    every[now.sentence][0].querySelector("mark")?.scrollIntoView({ block: "nearest" });
  };

  // ---- the form
  const picked = (name) => form()?.querySelector(`[name=${name}]:checked`)?.value || "";
  const decision = () => picked("rv-decision");
  const choose = (name, value) => {
    const box = form()?.querySelector(`[name=${name}][value="${CSS.escape(value)}"]`);
    if (box) box.checked = true;
  };
  const refresh = () => {
    const chosen = decision(), kind = picked("rv-kind");
    document.querySelectorAll(".rv-means").forEach((text) => { text.hidden = text.dataset.for !== chosen; });
    const owners = [...document.querySelectorAll(".rv-owner")], about = (passage) => owners.find((one) => one.dataset.passage === passage);
    const owner = (now.own && now.span && about(now.span.passage)) || about("");
    if (owner) owner.hidden = chosen !== "fix_document"; // of the document that is marked, or else cited first
    $(".rv-correction").hidden = chosen !== "train";
    const words = $("#rv-words"), written = ["text", "clarify"].includes(kind);
    words.readOnly = kind === "span";
    words.hidden = $(".rv-answer-label").hidden = !written && kind !== "span";
    $(".rv-note-for").textContent = chosen === "fix_document" ? "for the document's owner (needed)" : "for the next reviewer";
    $(".rv-form .ea-form-error").hidden = true;
  };
  const fill = (data, prefix = "") => {
    const value = (name) => data[prefix ? prefix + name[0].toUpperCase() + name.slice(1) : name] || "";
    choose("rv-decision", value("decision") || "train");
    const kind = value("kind");
    if (kind) choose("rv-kind", kind);
    now.own = false;
    now.span = kind === "span" && value("passage")
      ? { passage: value("passage"), start: Number(value("start")), end: Number(value("end")) } : null;
    $("#rv-words").value = value("answer");
    if (value("note")) $("#rv-note").value = value("note");
    refresh();
    draw();
  };
  const suggest = () => { if (shown().dataset.sKind) fill(shown().dataset, "s"); };
  const heldNow = { item: "" };
  const heldStarted = () => {
    const one = held(), item = one?.dataset.item || "";
    if (item === heldNow.item) return;
    heldNow.item = item;
    if (!item) return;
    $(".rv-held-form")?.reset(); // as above: the note of the item before
    one.focus({ preventScroll: true });
  };
  const started = () => {
    const one = shown();
    const item = one?.dataset.item || "";
    if (item === now.item) return;
    Object.assign(now, { item, opened: performance.now(), span: null, own: false, sentence: -1 });
    const address = "/review" + (item ? "?item=" + encodeURIComponent(item) : "");
    if (location.pathname === "/review" && location.pathname + location.search !== address) history.replaceState({}, "", address);
    if (!item) return;
    if ($("#rv-to")) $("#rv-to").value = "";
    if (form()) {
      form().reset(); // Gradio keeps the nodes of the item before, and with them what was chosen and written there
      suggest();
      form().querySelectorAll("[name=rv-decision]").forEach((box) => { box.checked = false; });
      refresh();
      draw();
    }
    one.focus({ preventScroll: true }); // or the keys would go into the field that was used last
    const scroll = $("#ea-scroll");
    if (scroll) scroll.scrollTop = 0;
  };
  const save = () => {
    const error = $(".rv-form .ea-form-error"), chosen = decision(), kind = picked("rv-kind");
    const say = (text) => { error.textContent = text; error.hidden = false; };
    if (!chosen) return say("Choose a decision.");
    const words = $("#rv-words").value.trim(), note = $("#rv-note").value;
    if (chosen === "train" && !kind) return say("Say how the right answer is given: marked, written, or none.");
    if (chosen === "train" && kind === "span" && !now.span) return say("Mark the right words in a passage.");
    if (chosen === "train" && ["text", "clarify"].includes(kind) && !words) return say("Write the answer.");
    if (chosen === "fix_document" && !note.trim()) return say("Write in the note what the owner should put right.");
    const train = chosen === "train", wrong = chosen === "fix_document" && now.own; // what is wrong, in the document
    const marked = now.span && (wrong || (train && kind === "span")) ? now.span : {};
    send("review_decide", {
      item: now.item, decision: chosen, kind: train ? kind : marked.passage ? "span" : "",
      answer: train && kind !== "span" ? words : "", note, ...marked, seconds: (performance.now() - now.opened) / 1000,
    });
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches?.(".rv-case .rv-form [type=radio]")) {
      if (event.target.name === "rv-kind" && event.target.value !== "span") { now.span = null; draw(); }
      refresh();
    }
    if (event.target.id === "rv-to" && event.target.value) send("review_hand_on", { item: now.item, to: event.target.value });
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "rv-consent") send("consent", { allowed: event.target.checked });
  });
  actions.erase_mine = async (control) => {
    const { questions, adapters } = control.dataset, taken = Number(adapters) ? ` ${adapters} adapters trained on them stop serving.` : "";
    $("#ea-confirm-title").textContent = "Erase your questions?";
    $("#ea-confirm-text").textContent = `${questions} questions, their answers and your reports will be gone for good.${taken}`;
    $("#ea-confirm [type=submit]").textContent = "Erase";
    if (await window.eaDialog("ea-confirm")) send("erase_mine", {});
  };
  document.addEventListener("submit", (event) => {
    if (event.target.matches(".rv-close")) {
      event.preventDefault();
      const note = event.target.querySelector("input").value;
      event.target.reset();
      return send("task_close", { task: event.target.closest("[data-task]").dataset.task, note });
    }
    if (event.target.matches(".rv-held-form")) {
      event.preventDefault();
      return decideHeld(event.submitter?.value);
    }
    if (!event.target.matches(".rv-case .rv-form")) return;
    event.preventDefault();
    save();
  });

  // ---- the queue
  const open = (id) => send("review_open", { item: id });
  actions.review_open = (control) => open(control.dataset.id);
  actions.review_back = () => send("review_close", { item: now.item });
  actions.review_skip = () => send("review_skip", { item: now.item });
  actions.review_suggestion = suggest;
  actions.review_show = () => $(".rv-case .rv-text mark")?.scrollIntoView({ block: "center" });
  actions.review_take = (control) => fill(control.dataset);
  actions.gold_add = (control) => send("gold_add", { item: control.dataset.id });
  actions.gold_remove = (control) => send("gold_remove", { item: control.dataset.id });

  // ---- what is held back from training
  const held = () => $(".rv-held-case");
  actions.held_tab = () => [...document.querySelectorAll("#ea-tabs [role=tab]")].find((tab) => tab.textContent.trim().startsWith("Held back"))?.click();
  actions.held_open = (control) => send("held_open", { item: control.dataset.id });
  actions.held_back = () => send("held_close", {});
  const decideHeld = (act) => {
    const note = $("#rv-held-note").value, error = $(".rv-held-form .ea-form-error");
    error.textContent = "Write in the note why.";
    error.hidden = Boolean(note.trim());
    if (error.hidden) send("held_decide", { item: held().dataset.item, act, note });
  };

  const rows = () => [...document.querySelectorAll(".rv-item .ea-doc-title")];
  const move = (by) => {
    const every = rows(), at = every.indexOf(document.activeElement);
    if (every.length) every[(at + by + every.length) % every.length].focus();
  };

  // ---- keys
  const typing = () => /^(TEXTAREA|SELECT)$/.test(document.activeElement?.tagName || "") ||
    (document.activeElement?.tagName === "INPUT" && document.activeElement.type !== "radio");
  const answerBy = (kind) => {
    if (kind === "clarify" && picked("rv-kind") !== kind) $("#rv-words").value = ""; // an answer is no question back
    choose("rv-decision", "train");
    choose("rv-kind", kind);
    now.span = null;
    draw();
    refresh();
    if (!$("#rv-words").hidden) $("#rv-words").focus();
  };
  const inForm = {
    "[": () => step(-1), "]": () => step(1), s: suggest,
    w: () => answerBy("text"), p: () => answerBy("refuse"), a: () => answerBy("clarify"), y: () => answerBy("confirm"),
    n: () => $("#rv-note").focus(), x: () => actions.review_skip(),
  };
  document.addEventListener("keydown", (event) => {
    if (location.pathname !== "/review" || $("dialog[open]")) return;
    if (!$("#ea-review")?.checkVisibility()) { // another tab: a case that is open in the queue hears no key
      if (event.key === "Escape" && held()) return typing() ? document.activeElement.blur() : actions.held_back();
      return;
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && form()) { event.preventDefault(); return save(); }
    if (event.key === "Escape" && shown()) {
      if (typing()) return document.activeElement.blur();
      return actions.review_back();
    }
    if (typing() || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    if (!shown() && (key === "j" || key === "k")) return move(key === "j" ? 1 : -1);
    if (!form()) return;
    const boxes = [...form().querySelectorAll("[name=rv-decision]")];
    if (/^[1-6]$/.test(key)) { boxes[Number(key) - 1].checked = true; event.preventDefault(); return refresh(); }
    if (inForm[key]) { event.preventDefault(); inForm[key](); }
  });

  const watch = () => {
    const page = $("#ea-review");
    if (!page) return location.pathname === "/review" ? setTimeout(watch, 100) : undefined;
    new MutationObserver(started).observe(page, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-item"] });
    new MutationObserver(heldStarted).observe($("#ea-tabs"), { childList: true, subtree: true, attributes: true, attributeFilter: ["data-item"] });
    started();
  };
  watch();
})();
