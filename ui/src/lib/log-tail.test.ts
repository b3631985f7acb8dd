import { expect, test } from 'vitest'
import { filterLines, LogTail } from './log-tail.svelte'
import type { LogLine } from './types/document'

const line = (id: number, part: Partial<LogLine> = {}): LogLine => ({
  order: -id,
  id,
  at: '2026-11-23T12:00:00Z',
  level: 'info',
  agent: 'hash',
  job_id: '7',
  run_id: '8',
  msg: `line ${id}`,
  ...part,
})
const keyed = (...lines: LogLine[]) => Object.fromEntries(lines.map((l) => [l.id, l]))

test('grows by the lines not seen yet, oldest first, and forgets the oldest', () => {
  const tail = new LogTail(3)
  expect(tail.add(keyed(line(2), line(1)))).toBe(2)
  expect(tail.add(keyed(line(2), line(3), line(4)))).toBe(2)
  expect(tail.lines.map(({ id }) => id)).toEqual([2, 3, 4])
  expect(tail.add(null)).toBe(0)
})

test('filters by level and by text in message, agent or job', () => {
  const lines = [
    line(1, { level: 'debug' }),
    line(2, { level: 'warn', msg: 'Disk FULL' }),
    line(3, { level: 'error', job_id: '99' }),
  ]
  const ids = (...args: [string, string]) => filterLines(lines, ...args).map(({ id }) => id)
  expect(ids('', 'debug')).toEqual([1, 2, 3])
  expect(ids('', 'warn')).toEqual([2, 3])
  expect(ids('disk full', 'debug')).toEqual([2])
  expect(ids('#99', 'debug')).toEqual([3])
})
