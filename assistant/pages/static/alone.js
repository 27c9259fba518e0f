/* A source opened in a tab of its own: the person's colour mode, and the cited words in view. */
(() => {
  "use strict";
  const chosen = localStorage.getItem("ea-theme");
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.body.classList.toggle("dark", dark);
  const title = document.querySelector("[data-title]")?.dataset.title;
  if (title) document.title = title;
  (document.querySelector("mark") || document.querySelector(".ea-cited"))?.scrollIntoView({ block: "center" });
})();
