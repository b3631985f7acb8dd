/** How the sections that the agents' file declares are written. */
import { bytes, capital, count, duration, fullTime, percent, unknown } from './format'
import type { Maybe, OwnFormat, OwnLevel, OwnPoint } from './types/document'

/** A figure or a cell by its format; without one, a number as it is and anything else as text. */
export function written(value: unknown, format?: OwnFormat): string {
  if (value == null) return unknown
  if (typeof value === 'string') return format === 'date' ? fullTime(value) : value
  if (typeof value !== 'number') return String(value)
  switch (format) {
    case 'percent':
      return percent(value)
    case 'duration':
      return value < 0 ? `-${duration(-value * 1000)}` : duration(value * 1000)
    case 'bytes':
      return value < 0 ? `-${bytes(-value)}` : bytes(value)
    case 'text':
      return String(value)
  }
  // Rounded to three decimals, as all figures; what that would make 0 keeps its first digits.
  return value !== 0 && Math.abs(value) < 0.001 ? String(Number(value.toPrecision(2))) : count(value)
}

/** Whether a format makes figures, which stand to the right. */
export const isFigure = (format?: OwnFormat) => format !== undefined && format !== 'text' && format !== 'date'

/** What a level is as a state (a mark and a colour), and as a word. */
export const levels: Record<OwnLevel, { state: string; word: string }> = {
  ok: { state: 'ok', word: 'OK' },
  warn: { state: 'degraded', word: 'Warning' },
  bad: { state: 'critical', word: 'Bad' },
}

/** The line of a series in a box of 100 by 30, broken where a value is missing; a lone value is a short dash. */
export function line(points: OwnPoint[]): string {
  const known = points.flatMap(({ value }) => (value == null ? [] : [value]))
  const [least, most] = [Math.min(...known), Math.max(...known)]
  const [from, to] = [Date.parse(points[0]?.at ?? ''), Date.parse(points.at(-1)?.at ?? '')]
  const at = (time: string) => (to > from ? ((Date.parse(time) - from) / (to - from)) * 100 : 50)
  const height = (value: number) => (most > least ? 29 - ((value - least) / (most - least)) * 28 : 15)
  let path = ''
  let open = false
  points.forEach(({ at: time, value }, i) => {
    if (value == null) return void (open = false)
    const here = `${at(time).toFixed(1)} ${height(value).toFixed(1)}`
    path += open ? `L${here}` : `M${here}`
    if (!open && points[i + 1]?.value == null) path += 'h0.5'
    open = true
  })
  return path
}

/** The last value, the least and the most of a series; null where none is known. */
export function extent(points: Maybe<OwnPoint[]>): { last: Maybe<number>; least: number; most: number } | null {
  const known = (points ?? []).flatMap(({ value }) => (value == null ? [] : [value]))
  if (!known.length) return null
  return { last: known.at(-1), least: Math.min(...known), most: Math.max(...known) }
}

/** Who may see a value that is not for everybody. */
export const audience = (role: string) =>
  role === 'admin' ? 'Only admins may see this value.' : `${capital(role)}s and admins may see this value.`
