import { describe, expect, test } from 'vitest'
import {
  age,
  ago,
  bytes,
  atLeast,
  compact,
  count,
  duration,
  elapsed,
  clockTime,
  fullTime,
  moment,
  money,
  percent,
  plural,
  setting,
  until,
} from './format'

test('unknown is a dash, never zero', () => {
  for (const show of [count, compact, percent, duration, elapsed, ago, until, bytes, money]) {
    expect(show(null)).toBe('–')
    expect(show(undefined)).toBe('–')
    expect(show(NaN)).toBe('–')
  }
})

test.each([
  [0, '0.0 s'],
  [840, '0.8 s'],
  [9_949, '9.9 s'],
  [9_950, '9 s'],
  [42_900, '42 s'],
  [200_000, '3 m 20 s'],
])('age of %d ms is %s', (ms, words) => expect(age(ms)).toBe(words))

test.each([
  [0, 'now'],
  [999, 'now'],
  [12_000, '12 s ago'],
  [59_999, '59 s ago'],
  [60_000, '1 m ago'],
  [3_600_000, '1 h ago'],
  [47 * 3_600_000, '47 h ago'],
  [48 * 3_600_000, '2 d ago'],
])('%d ms is %s', (ms, words) => expect(ago(ms)).toBe(words))

test('time to come', () => {
  expect(until(500)).toBe('now')
  expect(until(90_000)).toBe('in 1 m')
})

test.each([
  [0, '0 ms'],
  [0.02, '<0.1 ms'],
  [0.42, '0.4 ms'],
  [3, '3 ms'],
  [38.4, '38 ms'],
  [999.6, '1.00 s'],
  [1_240, '1.24 s'],
  [12_340, '12.3 s'],
  [59_960, '1 m 00 s'],
  [200_000, '3 m 20 s'],
  [7_500_000, '2 h 05 m'],
  [273_600_000, '3 d 4 h'],
])('a duration of %d ms is %s', (ms, words) => expect(duration(ms)).toBe(words))

test.each([
  [500, '500 ms'],
  [30_000, '30 s'],
  [300_000, '5 m'],
  [5_400_000, '1 h 30 m'],
  [86_400_000, '1 d'],
])('a setting of %d ms is %s', (ms, words) => expect(setting(ms)).toBe(words))

test('elapsed time counts whole seconds, never ahead of the clock', () => {
  expect(elapsed(59_999)).toBe('59 s')
  expect(elapsed(60_000)).toBe('1 m 00 s')
  expect(elapsed(-5)).toBe('0 s')
})

describe('percent', () => {
  test.each([
    [100, '100 %'],
    [99.97, '99.9 %'],
    [98.52, '98.5 %'],
    [0.01, '0.1 %'],
    [0, '0 %'],
  ])('%d is %s: only what is whole says so', (p, words) => expect(percent(p)).toBe(words))
})

test.each([
  [9_999, '9,999'],
  [12_345, '12.3k'],
  [26_100, '26.1k'],
  [999_700, '1M'],
  [3_400_000, '3.4M'],
])('%d in short is %s', (n, words) => expect(compact(n)).toBe(words))

test('what was not counted to its end says so', () => {
  expect(atLeast(20_000, true)).toBe('20k+')
  expect(atLeast(20_000, false)).toBe('20k')
  expect(atLeast(undefined, true)).toBe('–')
})

test('bytes, money, plural', () => {
  expect(bytes(1536)).toBe('1.5 KiB')
  expect(bytes(2 * 2 ** 30)).toBe('2 GiB')
  expect(bytes(12)).toBe('12 B')
  expect(money(0.0123)).toBe('$0.012')
  expect(money(12.3)).toBe('$12.30')
  expect(plural(1, 'job')).toBe('1 job')
  expect(plural(1200, 'job')).toBe('1,200 jobs')
})

test('numbers and times are written as the browser would', () => {
  const numbers = new Intl.NumberFormat('en-US')
  for (const n of [0, 7, 999, 1000, 12345, 9999, 1234567, -1234, 1e9, 4020.1, 0.5, 999999.9994])
    expect(count(n)).toBe(numbers.format(n))
  const times = new Intl.DateTimeFormat('en-GB', {
    year: 'numeric',
    month: 'short',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  for (const at of ['2026-01-02T03:04:05Z', '2026-06-30T23:59:59Z', '2026-12-31T12:00:00Z'])
    expect(fullTime(at).replace('Sept', 'Sep')).toBe(times.format(new Date(at)).replace('Sept', 'Sep'))
})

test('what is no time is shown as it is', () => {
  for (const text of ['infinity', '-infinity', 'soon 17', '10000-01-01 04:59:59']) {
    expect(fullTime(text)).toBe(text)
    expect(clockTime(text)).toBe(text)
    expect(Number.isFinite(moment(text))).toBe(false)
  }
  expect(fullTime('+010000-01-01T12:00:00Z')).toContain('10000')
  expect(fullTime(null)).toBe('–')
})
