import { expect, test } from 'vitest'
import { parseDelay } from './delay'

test.each([
  ['', 0],
  ['90', 90_000],
  ['30s', 30_000],
  ['1h30m', 5_400_000],
  [' 2 d ', 172_800_000],
  ['0.5h', 1_800_000],
])('%j is %d ms', (text, ms) => expect(parseDelay(text)).toBe(ms))

test.each(['soon', '5x', '-3s', '1h 30', 'm'])('%j is no delay', (text) => expect(parseDelay(text)).toBeNull())
