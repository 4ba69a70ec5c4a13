// Asking before something is done, and saying that it was.

import { h } from "./dom.js";

export function toast(text, kind = "") {
  const element = h(`div.toast${kind ? `.${kind}` : ""}`, {}, text);
  document.getElementById("toasts").append(element);
  setTimeout(() => element.remove(), kind === "bad" ? 9000 : 4500);
}

// Resolves to true when it was confirmed. `extra` is an element shown above the buttons.
export function confirm({ title, text, yes, danger = false, extra = null }) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { "aria-label": title },
      h(
        "form",
        { method: "dialog" },
        h("h2", {}, title),
        h("p", {}, text),
        extra,
        h("div.buttons", {}, h("button", { value: "no" }, "Cancel"), h(`button.${danger ? "danger" : "primary"}`, { value: "yes" }, yes)),
      ),
    );
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
