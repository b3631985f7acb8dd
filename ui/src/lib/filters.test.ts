import { expect, test } from 'vitest'
import { fromUrl, isFiltered, noFilters, toQuery, toUrl, type JobFilters } from './filters'

const now = Date.parse('2026-11-23T12:00:00Z')
const read = (url: string) => fromUrl(new URL(url, 'http://here').searchParams)

test('every filter survives the way through the address', () => {
  const filters: JobFilters = {
    ...noFilters,
    states: ['running', 'retryable'],
    agent: 'hash',
    queue: 'shared',
    text: 'a b&c=%',
    range: '6h',
  }
  expect(read(toUrl(filters))).toEqual(filters)
})

test('fixed bounds survive too, and a range wins over them', () => {
  const fixed = { ...noFilters, since: '2026-11-01T00:00:00.000Z', until: '2026-11-02T00:00:00.000Z' }
  expect(read(toUrl(fixed))).toEqual(fixed)
  expect(toUrl({ ...fixed, range: '1h' })).toBe('/jobs?range=1h')
})

test('the time of the end is asked for jobs that have ended alone', () => {
  const gaveUp: JobFilters = { ...noFilters, states: ['discarded'], ended: '1h' }
  expect(read('/jobs?state=discarded&ended=1h')).toEqual(gaveUp)
  expect(toUrl(gaveUp)).toBe('/jobs?state=discarded&ended=1h')
  expect(toQuery(gaveUp, now).get('ended_since')).toBe('2026-11-23T11:00:00.000Z')
  expect(toUrl({ ...gaveUp, states: ['running'] })).toBe('/jobs?state=running')
  expect(toQuery({ ...gaveUp, states: [] }, now).has('ended_since')).toBe(false)
  const fixed: JobFilters = { ...noFilters, states: ['discarded'], endedSince: '2026-11-01T00:00:00.000Z' }
  expect(read(toUrl(fixed))).toEqual(fixed)
})

test('no filter is the plain address', () => {
  expect(toUrl(noFilters)).toBe('/jobs')
  expect(isFiltered(noFilters)).toBe(false)
  expect(isFiltered({ ...noFilters, text: '  ' })).toBe(false)
  expect(isFiltered({ ...noFilters, agent: 'hash' })).toBe(true)
})

test('nonsense in the address is left out', () => {
  expect(read('/jobs?state=running,nonsense&range=1y&since=yesterday')).toEqual({ ...noFilters, states: ['running'] })
})

test('a range becomes a bound for the API', () => {
  expect(String(toQuery({ ...noFilters, range: '1h', states: ['available'] }, now))).toBe(
    'state=available&since=2026-11-23T11%3A00%3A00.000Z',
  )
})

test('the cursor is part of the address, not of the filters', () => {
  expect(toUrl({ ...noFilters, agent: 'hash' }, 'c1')).toBe('/jobs?agent=hash&cursor=c1')
})
