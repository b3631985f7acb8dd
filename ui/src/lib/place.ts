/** Back leads to where one was: the browser itself restores the place too early, before the rows are there. */
const restoreTimeoutMs = 2_000

/** Begins to keep the place of the page that is left for another site, or loaded anew. */
export function keepPlace() {
  history.scrollRestoration = 'manual'
  addEventListener('pagehide', () => history.replaceState({ ...history.state, y: scrollY }, ''))
  if (history.state?.y) restorePlace(history.state.y as number)
}

/** Scrolls there as soon as the page is long enough, unless somebody scrolls meanwhile. */
export function restorePlace(y: number) {
  const until = performance.now() + restoreTimeoutMs
  let given = false
  const stop = () => (given = true)
  const events = ['wheel', 'touchstart', 'keydown', 'pointerdown'] as const
  for (const event of events) addEventListener(event, stop, { once: true, passive: true })
  const attempt = () => {
    if (given) return
    scrollTo(0, y)
    if (Math.abs(scrollY - y) > 1 && performance.now() < until) requestAnimationFrame(attempt)
    else for (const event of events) removeEventListener(event, stop)
  }
  attempt()
}
