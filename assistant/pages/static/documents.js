/* The documents page: manage, approve, retire, delete, cancel an upload. It sends names and ids; the server decides. */
(() => {
  "use strict";
  const actions = window.eaActions;
  const send = (name, data) => window.eaSend && window.eaSend(name, data);
  const of = (control) => ({ id: control.dataset.id, version: control.dataset.version });

  actions.manage = (control) => {
    if (!document.querySelector("#ea-panel").hidden) actions["close-source"]();
    send("manage", of(control));
  };
  actions.approve = (control) => send("approve", of(control));
  const confirmed = async (title, text, button) => {
    const dialog = document.querySelector("#ea-confirm");
    document.querySelector("#ea-confirm-title").textContent = title;
    document.querySelector("#ea-confirm-text").textContent = text;
    dialog.querySelector("[type=submit]").textContent = button;
    return window.eaDialog("ea-confirm");
  };
  actions.retire = async (control) => {
    const text = `“${control.dataset.title}” stops answering at once. Its text stays for the record.`;
    if (await confirmed("Retire this version?", text, "Retire")) send("retire", of(control));
  };
  actions.erase = async (control) => {
    const text = `“${control.dataset.title}”: its vectors, its text and its file will be gone for good, and adapters trained on it are blocked. Retire it where it is only out of date.`;
    if (await confirmed("Delete this version?", text, "Delete")) send("erase", of(control));
  };
  window.eaCancelUpload = () => {
    const run = document.querySelector(".ea-upload[data-run]")?.dataset.run;
    if (run) send("cancel_upload", { run });
  };
})();
