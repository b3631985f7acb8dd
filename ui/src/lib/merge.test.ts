import { expect, test } from 'vitest'
import { mergePatch } from './merge'

// The examples of RFC 7396, appendix A.
test.each([
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])('merges %j with %j', (target, patch, expected) => {
  expect(mergePatch<unknown>(target, patch)).toEqual(expected)
})

test('leaves the target untouched and what did not change the same', () => {
  const before = { jobs: { 1: { state: 'running' }, 2: { state: 'available' } }, logs: { items: {} } }
  const frozen = structuredClone(before)
  const after = mergePatch(before, { jobs: { 2: { state: 'running' } } })
  expect(before).toEqual(frozen)
  expect(after.jobs[1]).toBe(before.jobs[1])
  expect(after.logs).toBe(before.logs)
  expect(after.jobs[2]).not.toBe(before.jobs[2])
})

test('is the very same value when nothing changes', () => {
  const before = { a: { b: 1 }, c: 'd' }
  expect(mergePatch(before, { a: { b: 1 }, gone: null })).toBe(before)
})
