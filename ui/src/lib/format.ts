/** Everything that turns a value into words. Unknown (null, undefined, NaN) is always "–", never 0. */
import type { Maybe } from './types/document'

export const unknown = '–'

// By hand: the browser's own formats take 30 ms to make, before anything is on the page.
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (n: number) => String(n).padStart(2, '0')
const hourMinute = (at: Date) => `${two(at.getHours())}:${two(at.getMinutes())}`
const timeOfDay = (at: Date) => `${hourMinute(at)}:${two(at.getSeconds())}`
const full = (at: Date) => `${two(at.getDate())} ${months[at.getMonth()]} ${at.getFullYear()}, ${timeOfDay(at)}`

function grouped(n: number): string {
  const [whole, fraction] = String(Math.round(n * 1000) / 1000).split('.')
  return whole!.replace(/\B(?=(\d{3})+$)/g, ',') + (fraction ? `.${fraction}` : '')
}

function missing(value: Maybe<number | string>): value is null | undefined {
  return value == null || value === '' || (typeof value === 'number' && !Number.isFinite(value))
}

/** 12345 → "12,345". */
export function count(n: Maybe<number>): string {
  return missing(n) ? unknown : grouped(n)
}

/** For narrow places: 999 → "999", 12345 → "12.3k", 3400000 → "3.4M". */
export function compact(n: Maybe<number>): string {
  if (missing(n)) return unknown
  if (Math.abs(n) < 10_000) return grouped(n)
  const [value, unit] = Math.abs(n) < 999_500 ? [n / 1e3, 'k'] : Math.abs(n) < 999.5e6 ? [n / 1e6, 'M'] : [n / 1e9, 'G']
  return `${value < 99.95 ? value.toFixed(1).replace('.0', '') : Math.round(value)}${unit}`
}

/** Like compact; what was not counted to its end is "20k+". */
export function atLeast(n: Maybe<number>, capped: Maybe<boolean>): string {
  return compact(n) + (capped && !missing(n) ? '+' : '')
}

/** 98.52 → "98.5 %". Only what is exactly 100 says 100; only what is exactly 0 says 0. */
export function percent(p: Maybe<number>, digits = 1): string {
  if (missing(p)) return unknown
  const step = 10 ** -digits
  const shown = p < 100 && p > 100 - step ? 100 - step : p > 0 && p < step ? step : p
  return `${shown === 100 || shown === 0 ? shown : shown.toFixed(digits)} %`
}

/** A measured duration: "0.4 ms", "38 ms", "1.24 s", "3 m 20 s", "2 h 05 m", "3 d 4 h". */
export function duration(ms: Maybe<number>): string {
  if (missing(ms)) return unknown
  if (ms < 0) ms = 0
  if (ms === 0) return '0 ms'
  if (ms < 0.05) return '<0.1 ms'
  if (ms < 9.95) return `${ms.toFixed(1).replace('.0', '')} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 9_995) return `${(ms / 1000).toFixed(2)} s`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  return long(ms)
}

/** Time passed, in whole seconds and short: "0 s", "42 s", "3 m 20 s". For figures that tick. */
export function elapsed(ms: Maybe<number>): string {
  if (missing(ms)) return unknown
  if (ms < 60_000) return `${Math.max(0, Math.floor(ms / 1000))} s`
  return long(Math.floor(ms / 1000) * 1000)
}

/** A configured duration, exact and without zeros: 90000 → "1 m 30 s", 300000 → "5 m", 500 → "500 ms". */
export function setting(ms: Maybe<number>): string {
  if (missing(ms)) return unknown
  if (ms < 1000) return duration(ms)
  const s = Math.round(ms / 1000)
  const parts = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, s % 60]
  return parts.flatMap((n, i) => (n ? [`${n} ${'dhms'[i]}`] : [])).join(' ')
}

/** How long ago: "now", "12 s ago", "4 m ago", "3 h ago", "6 d ago". One unit, so that columns stay calm. */
export function ago(ms: Maybe<number>): string {
  if (missing(ms)) return unknown
  if (ms < 1000) return 'now'
  return `${span(ms)} ago`
}

/** How long until: "now", "in 12 s", "in 3 h". */
export function until(ms: Maybe<number>): string {
  if (missing(ms)) return unknown
  return ms < 1000 ? 'now' : `in ${span(ms)}`
}

/** One unit: "12 s", "4 m", "3 h", "6 d". */
export function span(ms: number): string {
  const s = Math.floor(Math.max(0, ms) / 1000)
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} m`
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`
  return `${Math.floor(s / 86400)} d`
}

/** The freshness figure: tenths below ten seconds, then as `elapsed`. */
export function age(ms: number): string {
  return ms < 9_950 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : elapsed(ms)
}

function long(ms: number): string {
  const s = Math.round(ms / 1000)
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60]
  const two = (n: number) => String(n).padStart(2, '0')
  if (d > 0) return `${d} d ${h} h`
  if (h > 0) return `${h} h ${two(m)} m`
  return `${m} m ${two(s % 60)} s`
}

/** 1536 → "1.5 KiB". */
export function bytes(n: Maybe<number>): string {
  if (missing(n)) return unknown
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let i = 0
  while (n >= 1023.5 && i < units.length - 1) {
    n /= 1024
    i++
  }
  return `${i === 0 || n >= 99.5 ? Math.round(n) : n.toFixed(1).replace('.0', '')} ${units[i]}`
}

/** 0.0123 → "$0.012", 12.3 → "$12.30". */
export function money(usd: Maybe<number>): string {
  if (missing(usd)) return unknown
  return `$${usd !== 0 && Math.abs(usd) < 1 ? usd.toFixed(3) : usd.toFixed(2)}`
}

const momentForm = /^(\d{4}|[+-]\d{6})-\d\d-\d\dT/

/**
 * A time of the API as unix ms: without end for "infinity", NaN for a text that is no time. Rows of other programs have such,
 * and a browser alone would read a date into many a text.
 */
export function moment(at: Maybe<string>): number {
  if (at === 'infinity') return Infinity
  if (at === '-infinity') return -Infinity
  return at != null && momentForm.test(at) ? Date.parse(at) : NaN
}

/** "14:03:07" in the viewer's zone; what is no time as it is. */
export function clockTime(at: Maybe<string>): string {
  if (missing(at)) return unknown
  return !Number.isFinite(moment(at)) ? at : timeOfDay(new Date(at))
}

/** "14:03" in the viewer's zone, of unix milliseconds. */
export function shortTime(ms: number): string {
  return hourMinute(new Date(ms))
}

/** "23 Nov 2026, 14:03:07" in the viewer's zone; what is no time as it is. */
export function fullTime(at: Maybe<string>): string {
  if (missing(at)) return unknown
  return Number.isFinite(moment(at)) ? full(new Date(at)) : at
}

/** 1 → "1 job", 3 → "3 jobs". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

/** What a row has room for of an id: "17", of "mail/5f3e0c1a-…" the first eight letters of the task's. */
export function shortId(id: string): string {
  const name = id.slice(id.lastIndexOf('/') + 1)
  return name.length > 12 ? `${name.slice(0, 8)}…` : name
}

/** "running" → "Running". */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** "database is locked" → "Database is locked." */
export function sentence(text: string): string {
  return /[.!?]$/.test(text) ? capital(text) : `${capital(text)}.`
}
