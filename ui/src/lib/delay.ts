const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** "90", "90s", "5m", "1h30m", "2d" → milliseconds; '' → 0; null when it is none of these. */
export function parseDelay(text: string): number | null {
  const compact = text.replaceAll(/\s/g, '').toLowerCase()
  if (compact === '') return 0
  if (/^\d+$/.test(compact)) return Number(compact) * 1000
  if (!/^(?:\d+(?:\.\d+)?[smhd])+$/.test(compact)) return null
  const parts = compact.matchAll(/(\d+(?:\.\d+)?)([smhd])/g)
  return [...parts].reduce((sum, [, n, unit]) => sum + Number(n) * units[unit!]! * 1000, 0)
}
