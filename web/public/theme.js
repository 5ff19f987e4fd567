// SPDX-License-Identifier: MIT
// Runs before the first paint, so that a light page never flashes dark. A file of its own: the page allows no inline script.
(function () {
  var root = document.documentElement;
  try {
    var saved = JSON.parse(localStorage.getItem("perigee.preferences") || "{}");
    var light = saved.theme === "light" || (saved.theme === "system" && matchMedia("(prefers-color-scheme: light)").matches);
    root.dataset.theme = light ? "light" : "dark";
    root.dataset.colours = saved.colours === "asian" ? "asian" : "western";
    root.dataset.density = saved.density === "comfortable" ? "comfortable" : "compact";
    if (saved.language) root.lang = saved.language;
  } catch {
    root.dataset.theme = "dark";
  }
})();
