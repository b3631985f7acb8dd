import { expect, test } from 'vitest'
import { fromUrl, isFiltered, noFilters, problemsOf, toQuery, toUrl, type JobFilters } from './filters'

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

test.each([
  ['state=bogus', /state=bogus is no state of a job; there are: available, running/],
  ['state=runing', /did you mean running\?/],
  ['state=running,bogus', /state=bogus/],
  ['stat=running', /no filter “stat”: did you mean state\?/],
  ['colour=red', /no filter “colour”; there are: state, agent/],
  ['agent=a&agent=b', /agent is given 2 times: give it once\./],
  ['state=running&state=completed', /separated by commas/],
  ['range=1y', /range=1y is no span of time/],
  ['since=yesterday', /since=yesterday is no time/],
  ['state=running&ended=1h', /ended is for jobs that have ended/],
])('the address /jobs?%s says what is wrong with it', (query, words) => {
  const problems = problemsOf(new URLSearchParams(query))
  expect(problems).toHaveLength(1)
  expect(problems[0]).toMatch(words)
})

test('an address that makes sense has no problems', () => {
  const all: JobFilters = {
    ...noFilters,
    states: ['completed'],
    agent: 'a',
    queue: 'q',
    text: 't',
    range: '1h',
    ended: '24h',
  }
  expect(problemsOf(new URL(toUrl(all, 'c1'), 'http://here').searchParams)).toEqual([])
  expect(problemsOf(new URLSearchParams('state=&agent='))).toEqual([])
})
