// Before the first paint: the theme that was chosen, so that a dark page does not flash white.
(() => {
  const chosen = localStorage.getItem("vhb.theme");
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.classList.toggle("dark", dark);
})();
