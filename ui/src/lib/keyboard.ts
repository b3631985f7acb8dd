/** The dashboard's keys. Nothing fires while the reader types or a dialog is open. */
export interface Keys {
  go(path: string): void
  help(): void
}

const places: Record<string, string> = { o: '/', j: '/jobs', a: '/agents', w: '/workers', s: '/settings' }
const chordMs = 1_200

/** Returns the handler of keydown events. */
export function keyboard(keys: Keys): (event: KeyboardEvent) => void {
  let chordAt = -Infinity
  return (event) => {
    if (
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      isTyping(event.target) ||
      document.querySelector('dialog[open]')
    )
      return
    const chord = event.timeStamp - chordAt < chordMs
    chordAt = -Infinity
    const place = places[event.key]
    if (chord && place) keys.go(place)
    else if (event.key === 'g') chordAt = event.timeStamp
    else if (event.key === '?') keys.help()
    else if (event.key === '/') focusFilter()
    else if (event.key === 'j') moveRow(1)
    else if (event.key === 'k') moveRow(-1)
    else return
    event.preventDefault()
  }
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest('input:not([type=checkbox], [type=radio]), textarea, select') !== null
  )
}

function focusFilter() {
  document.querySelector<HTMLElement>('main input[type=search]')?.focus()
}

/** Moves the focus along the first links of the rows marked with data-row; rows without one are passed over. */
function moveRow(step: number) {
  const rows = [...document.querySelectorAll<HTMLElement>('main [data-row]')].filter((row) => row.querySelector('a'))
  const at = rows.findIndex((row) => row.contains(document.activeElement))
  const row = rows[at === -1 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))]
  row?.querySelector<HTMLElement>('a')?.focus()
}
