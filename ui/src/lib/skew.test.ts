import { expect, test } from 'vitest'
import { Skew } from './skew'

test('the sample with the least delay counts', () => {
  const skew = new Skew()
  skew.add(10_000, 9_200) // 800 ahead, of which an unknown delay is already taken
  skew.add(11_000, 10_050)
  skew.add(12_000, 11_400)
  expect(skew.offset).toBe(950)
})

test('a clock that was set is believed after a dozen samples', () => {
  const skew = new Skew()
  skew.add(100_000, 0)
  for (let i = 0; i < 12; i++) skew.add(1000 + i, 1000 + i)
  expect(skew.offset).toBe(0)
})

test('nonsense is passed over', () => {
  const skew = new Skew()
  skew.add(NaN, 5)
  expect(skew.offset).toBe(0)
})
