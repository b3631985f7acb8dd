/* Loads the page's scripts: at once, or, when the server drew the page, after that is on screen. */
;(function (scripts) {
  function load() {
    scripts.forEach(function (src) {
      var link = document.createElement('link')
      link.rel = 'modulepreload'
      link.href = src
      document.head.append(link)
    })
    import(scripts[0])
  }
  if (document.hidden || !document.getElementById('app').childElementCount) load()
  else
    requestAnimationFrame(function () {
      requestAnimationFrame(load) // the frame before it is on its way to the screen
    })
})(SCRIPTS)
