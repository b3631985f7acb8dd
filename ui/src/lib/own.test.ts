import { describe, expect, test } from 'vitest'
import { extent, isFigure, line, written } from './own'

const at = (minute: number) => new Date(Date.UTC(2026, 10, 23, 12, minute)).toISOString()
const points = (...values: (number | null)[]) => values.map((value, i) => ({ at: at(i), value }))

describe('a value', () => {
  test.each([
    [1234.5, undefined, '1,234.5'],
    [0, undefined, '0'],
    [-12345, 'number', '-12,345'],
    [0.00012, 'number', '0.00012'],
    [99.96, 'percent', '99.9 %'],
    [90, 'duration', '1 m 30 s'],
    [-1.5, 'duration', '-1.50 s'],
    [1536, 'bytes', '1.5 KiB'],
    [-1536, 'bytes', '-1.5 KiB'],
    [1234567, 'text', '1234567'],
    ['<b>', undefined, '<b>'],
    ['soon', 'date', 'soon'],
    ['12', 'number', '12'],
    [true, undefined, 'true'],
    [null, 'number', '–'],
    [undefined, undefined, '–'],
  ] as const)('%s as %s is %s', (value, format, text) => expect(written(value, format)).toBe(text))

  test('that is a date is in the zone of who reads it', () =>
    expect(written('2026-11-23T12:00:00Z', 'date')).toMatch(/^2[34] Nov 2026, \d\d:\d\d:00$/))

  test('stands to the right if it is a figure', () => {
    expect(['number', 'percent', 'duration', 'bytes'].every((f) => isFigure(f as 'number'))).toBe(true)
    expect([undefined, 'text', 'date'].some((f) => isFigure(f as 'text'))).toBe(false)
  })
})

describe('a line', () => {
  test('goes from the lowest to the highest', () => expect(line(points(0, 10))).toBe('M0.0 29.0L100.0 1.0'))
  test('of one value all along is level', () => expect(line(points(5, 5))).toBe('M0.0 15.0L100.0 15.0'))
  test('breaks where nothing is known', () => expect(line(points(0, 2, null, 1, 2)).match(/M/g)).toHaveLength(2))
  test('shows a lone value', () => expect(line(points(null, 1, null))).toBe('M50.0 15.0h0.5'))
  test('of nothing is nothing', () => {
    expect(line([])).toBe('')
    expect(line(points(null, null))).toBe('')
    expect(extent(points(null))).toBeNull()
    expect(extent(null)).toBeNull()
  })
  test('has its extent', () => expect(extent(points(3, 1, 2, null))).toEqual({ last: 2, least: 1, most: 3 }))
})
