import { describe, expect, test } from 'vitest'
import { bars, bucketAt, scale, totals, unrecorded } from './bars'

describe('scale', () => {
  test.each([
    [0, 1, [0, 1]],
    [1, 1, [0, 1]],
    [3, 3, [0, 1, 2, 3]],
    [31, 40, [0, 20, 40]],
    [100, 100, [0, 50, 100]],
    [1_234, 1_500, [0, 500, 1000, 1500]],
  ])('%d is covered up to %d', (max, top, ticks) => {
    expect(scale(max)).toEqual({ top, ticks })
  })

  test('every count is covered by few whole steps', () => {
    for (let max = 1; max < 5000; max = Math.ceil(max * 1.13)) {
      const { top, ticks } = scale(max)
      expect(top).toBeGreaterThanOrEqual(max)
      expect(ticks.length).toBeLessThanOrEqual(5)
      expect(ticks.every(Number.isInteger)).toBe(true)
      expect(ticks.at(-1)).toBe(top)
    }
  })

  test('nothing sensible has a scale as well', () => {
    expect(scale(NaN).top).toBe(1)
    expect(scale(-Infinity).top).toBe(1)
  })
})

test('series of different length add up', () => {
  expect(totals([1, 2], [3], [])).toEqual([4, 2])
  expect(totals()).toEqual([])
})

describe('bars', () => {
  test('stand on what is below, and empty buckets draw nothing', () => {
    expect(bars([2, 0, 1], [1, 5, 0], 10, { gap: 0 })).toBe('M0 9v-2h1v2zM2 10v-1h1v1z')
  })

  test('one among thousands can be seen', () => {
    expect(bars([1], [4000], 5000, { gap: 0, least: 80 })).toBe('M0 1000v-80h1v80z')
  })
})

test('a position belongs to one bucket, also beyond the ends', () => {
  expect([-0.1, 0, 0.49, 0.5, 1, 2].map((at) => bucketAt(at, 2))).toEqual([0, 0, 0, 1, 1, 1])
})

test('what is not recorded is drawn as nothing, and known', () => {
  expect(bars([null, null, 3], [], 4)).toBe(bars([0, 0, 3], [], 4))
  expect(totals([null, 1], [null, 2])).toEqual([0, 3])
  expect([unrecorded([null, null, 0, null]), unrecorded([0, 1]), unrecorded([null])]).toEqual([2, 0, 1])
})
