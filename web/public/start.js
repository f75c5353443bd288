// Before anything is drawn: the colours and the language that were chosen, so that nothing flashes.
(function () {
  var kept = function (key) {
    try {
      return localStorage.getItem(key);
    } catch (_) {
      return null;
    }
  };
  var scheme = kept("mantine-color-scheme-value") || "auto";
  if (scheme === "auto") scheme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.setAttribute("data-mantine-color-scheme", scheme);
  var wanted = kept("language") || (navigator.language || "en").slice(0, 2);
  document.documentElement.lang = wanted === "fr" ? "fr" : "en";
})();
