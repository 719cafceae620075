import { t } from "../lib/texts.js";

"use strict";

// Their answers do not end: they would never be shown.
const ENDLESS = ["/api/v1/feed", "/api/ws"];
// What Swagger UI leaves without a name, or out of the keyboard's reach.
const REPAIRS = [
  ["textarea.body-param__text", "aria-label", () => t("Body")],
  [".close-modal", "aria-label", () => t("Close")],
  [".copy-to-clipboard button", "aria-label", () => t("Copy")],
  ["[data-param-name] select", "aria-label", (node) => node.closest("tr").dataset.paramName],
  [".responses-table[role=region]", "role", () => "group"],
  ["pre.microlight", "tabindex", () => "0"],
];

const page = document.documentElement;
const follow = () => page.classList.toggle("dark-mode", page.dataset.theme === "dark");
new MutationObserver(follow).observe(page, { attributeFilter: ["data-theme"] });
follow();

const root = document.getElementById("api");
new MutationObserver(() => {
  for (const [selector, attribute, value] of REPAIRS) {
    for (const node of root.querySelectorAll(selector)) node.setAttribute(attribute, value(node));
  }
}).observe(root, { childList: true, subtree: true });

window.SwaggerUIBundle({
  domNode: root,
  url: "/api/openapi.json",
  deepLinking: false, // it would put links into buttons
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  syntaxHighlight: { theme: "obsidian" }, // of those the one that can be read in both schemes
  validatorUrl: null, // it would ask another site
  plugins: [
    {
      statePlugins: {
        spec: {
          wrapSelectors: {
            allowTryItOutFor: (allowed) => (state, path, method) =>
              !ENDLESS.includes(path) && allowed(state, path, method),
          },
        },
      },
    },
  ],
  onComplete: () => root.setAttribute("aria-busy", "false"),
});
