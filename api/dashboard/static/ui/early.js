// Before the first paint, and so no module: which palette the page has. The bar's switch keeps a choice
// in `localStorage` (display.js); without one it is the system's.

(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      return localStorage.getItem("rollcall-theme");
    } catch (error) {
      return null; // a browser that keeps nothing
    }
  }

  function apply() {
    const wanted = chosen();
    const theme = wanted === "dark" || (wanted !== "light" && dark.matches) ? "dark" : "light";
    document.documentElement.dataset.theme = theme;
    // Of what the browser paints before our sheet is there.
    document.querySelector("meta[name=color-scheme]").content = theme;
  }

  apply();
  dark.addEventListener("change", apply);
  addEventListener("storage", apply); // another tab
  addEventListener("rollcall:theme", apply);
})();
