/** What a tab shows of the fleet's health while another one is looked at. */
const marks: Record<string, string> = { degraded: '(!) ', critical: '(!!) ', unknown: '(?) ' }
const colours: Record<string, string> = { degraded: '#d97706', critical: '#dc2626', unknown: '#94a3b8' }
let usual: string | undefined

/** Stands before the title; nothing while all is well. */
export function markOf(health: string): string {
  return marks[health] ?? ''
}

/** Makes the tab's icon a dot in the colour of the health, or the usual one. */
export function showIcon(health: string) {
  const icon = document.querySelector<HTMLLinkElement>('link[rel=icon]')!
  usual ??= icon.href
  const dot = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" fill="${colours[health]}"/></svg>`
  icon.href = colours[health] ? `data:image/svg+xml,${encodeURIComponent(dot)}` : usual
}
