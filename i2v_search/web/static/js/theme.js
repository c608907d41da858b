// Light, dark, or as the system: kept by the browser. Runs before the page is drawn, so nothing flashes.

(() => {
  const name = "i2v-search.theme";
  const kept = (() => { try { return localStorage.getItem(name); } catch { return null; } })();
  document.documentElement.dataset.theme = ["light", "dark"].includes(kept) ? kept : "auto";
  addEventListener("theme", (event) => {
    document.documentElement.dataset.theme = event.detail;
    try { localStorage.setItem(name, event.detail); } catch { /* kept for this visit only */ }
  });
})();
