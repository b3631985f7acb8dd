/* Runs before the first paint: applies the theme chosen by hand, if any. The rest is up to prefers-color-scheme. */
try {
  var chosen = localStorage.getItem('agentos.theme')
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
} catch {
  /* storage is off: follow the system */
}
