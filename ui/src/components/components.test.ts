/** What components show, drawn as Svelte draws for servers: it needs no browser. Clicks and keys are in tests/pages. */
import { createRawSnippet } from 'svelte'
import { render } from 'svelte/server'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ApiError } from '../lib/api'
import { ServerClock } from '../lib/clock.svelte'
import type { Link } from '../lib/connection'
import { Live, type SectionHealth } from '../lib/live.svelte'
import { emptyDocument } from '../lib/testing/fakes'
import Banner from './Banner.svelte'
import Card from './Card.svelte'
import DataTable, { type Column } from './DataTable.svelte'
import Elapsed from './Elapsed.svelte'
import Freshness from './Freshness.svelte'
import MoreRows from './MoreRows.svelte'
import Of from './Of.svelte'
import Problem from './Problem.svelte'
import SilenceBanner from './SilenceBanner.svelte'
import State from './State.svelte'

const now = Date.parse('2026-11-23T12:00:00Z')
const at = (ms: number) => new Date(now + ms).toISOString()

beforeEach(() => void vi.useFakeTimers({ now }))
afterEach(() => void vi.useRealTimers())

/** Markup without Svelte's marks and its classes of scoped styles. */
const clean = (html: string) => html.replace(/<!--.*?-->/gs, '').replace(/ ?\b(svelte|s)-[a-z0-9]{5,}/g, '')
/** The words of a page, as a reader has them. */
const words = (html: string) =>
  clean(html)
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
const text = (html: string) => createRawSnippet(() => ({ render: () => `<p>${html}</p>` }))

describe('a table', () => {
  interface Row {
    name: string
    n: number | null
    note?: string
  }
  const columns: Column<Row>[] = [
    { name: 'name', title: 'Name', names: true, text: ({ name }) => name },
    { name: 'waiting', title: 'Waiting', class: 'num', hint: 'due now', text: ({ n }) => n },
    { name: 'oldest', title: 'Oldest', class: 'num', needs: 'oldest_waiting', text: () => '3 s' },
    { name: 'note', title: 'Note', class: 'cut', above: 800, tip: ({ note }) => note, text: ({ note }) => note },
    { name: 'act', title: 'Actions', silent: true, text: () => 'Pause' },
  ]
  const rows: Row[] = [
    { name: 'mail', n: 0, note: 'all of a long note' },
    { name: 'hash', n: null },
  ]
  const key = ({ name }: Row) => name
  const draw = (props: object) => clean(render(DataTable<Row>, { props: { columns, rows, key, ...props } }).body)
  const cells = (html: string, name: string) =>
    [...html.matchAll(new RegExp(`<t[dh][^>]*data-column="${name}"[^>]*>(.*?)</t[dh]>`, 'gs'))].map(([, c]) =>
      words(c!),
    )

  test('has the name of its column on each cell, and a head for each row', () => {
    const html = draw({})
    expect(cells(html, 'name')).toEqual(['Name', 'mail', 'hash'])
    expect(html.match(/<th scope="row"/g)).toHaveLength(2)
  })

  test('shows 0 as 0, and of what is unknown nothing that looks like a figure', () => {
    expect(cells(draw({}), 'waiting')).toEqual(['Waiting', '0', ''])
  })

  test('has no column that the engine cannot fill', () => {
    const asked: string[] = []
    const html = draw({ lacks: (capability: string) => asked.push(capability) > 0 })
    expect(cells(html, 'oldest')).toEqual([])
    expect(cells(html, 'waiting')).toHaveLength(3)
    expect(asked).toEqual(['oldest_waiting'])
    expect(cells(draw({ lacks: () => false }), 'oldest')).toHaveLength(3)
    expect(cells(draw({}), 'oldest')).toHaveLength(3)
  })

  test('without rows says so, but not before anything is known', () => {
    expect(words(draw({ rows: [], empty: 'No queue has been used yet.' }))).toBe('No queue has been used yet.')
    expect(words(draw({ rows: [] }))).toBe('Name Waiting Oldest Note Actions')
    expect(words(draw({ rows: [], empty: null }))).toContain('Waiting')
    expect(draw({ empty: 'None.' })).not.toContain('None.')
  })

  test('explains what is cut, and its heads', () => {
    expect(draw({})).toMatch(/title="all of a long note"/)
    expect(draw({})).toMatch(/title="due now"/)
    expect(draw({})).toMatch(/<span class=" ?sr-only">Actions/)
  })

  test('marks the rows at which keys stop, and those that are chosen', () => {
    expect(draw({}).match(/data-row/g)).toBeNull()
    expect(draw({ stops: true }).match(/<tr[^>]* data-row/g)).toHaveLength(2)
    expect(draw({ chosen: ({ n }: Row) => n === 0 }).match(/class="[^"]*chosen/g)).toHaveLength(1)
  })

  test('as cards says what a figure is, and has room for the cells that are placed', () => {
    const html = draw({ cards: "'name act' 'waiting waiting' / 1fr auto" })
    expect(html.match(/data-label="waiting"/g)).toHaveLength(2)
    expect(html).toMatch(/grid-area: ?waiting/)
    expect(html).toMatch(/--cards: ?'name act' 'waiting waiting' \/ 1fr auto/)
    expect(html.match(/<td class="[^"]*placed[^"]*" data-column="note"/g)).toBeNull()
    expect(draw({})).not.toMatch(/data-label|placed|grid-area/)
  })

  test('has what stands below a row in the same group, which keys stop at once', () => {
    const html = draw({ stops: true, below: text('what it runs') })
    expect(html.match(/<tbody[^>]* data-row/g)).toHaveLength(2)
    expect(html.match(/data-row/g)).toHaveLength(2)
    expect(html.match(/what it runs/g)).toHaveLength(2)
  })
})

describe('a banner', () => {
  const draw = (props: object) => clean(render(Banner, { props: { children: text('Old.'), ...props } }).body)

  test('says its words to those who do not see it only if it has a role', () => {
    expect(draw({})).not.toContain('role=')
    expect(draw({ role: 'status' })).toContain('role="status"')
  })

  test('has the tone and the place that it is given', () => {
    expect(draw({})).toContain('class="banner warn')
    expect(draw({ inset: true, tone: 'bad' })).toContain('class="band bad')
  })

  test('of a failed question offers to try again where that helps, with the id to look it up', () => {
    const error = new ApiError(500, 'The jobs cannot be read.', 'abc123')
    const with_ = words(render(Problem, { props: { error, onretry: () => {} } }).body)
    expect(with_).toBe('The jobs cannot be read. request abc123 Try again')
    expect(words(render(Problem, { props: { error } }).body)).not.toContain('Try again')
  })
})

describe('a state', () => {
  test.each([
    ['discarded', 'bad', 'gave up'],
    ['retryable', 'warn', 'retrying'],
    ['available', 'warn', 'waiting'],
    ['completed', 'ok', 'completed'],
    ['archived', 'idle', 'archived'],
  ])('%s has a tone and a word', (state, tone, word) => {
    const html = clean(render(State, { props: { state } }).body)
    expect(html).toContain(`class="state ${tone}"`)
    expect(words(html)).toBe(word)
  })
})

describe('freshness', () => {
  function liveAt({ age = 0, link = 'live' as Link, overdue = [] as string[] }) {
    const doc = emptyDocument(1, now - age)
    for (const name of overdue)
      doc.meta.sections[name as 'queue'] = {
        as_of: at(-70_000),
        took_ms: 1,
        every_ms: 5000,
        error: null,
        overdue: true,
      }
    if (overdue.length) Object.assign(doc.meta, { as_of: at(-70_000), stale: true })
    const live = new Live(() => {}, new ServerClock())
    live.boot(null, doc, now)
    live.linked(link, null)
    return live
  }
  const draw = (live: Live) => words(render(Freshness, { props: { live } }).body.split('</button>')[0]!)

  test.each([
    ['Live', {}],
    ['Connecting', { link: 'connecting' as const }],
    ['Polling', { link: 'polling' as const }],
    ['Offline as of 2 s ago', { link: 'offline' as const, age: 2_000 }],
    ['Stale as of 1 m 10 s ago', { age: 70_000 }],
    ['Live analytics 1 m old', { overdue: ['analytics'] }],
    ['Live 2 sections 1 m old', { overdue: ['analytics', 'queue'] }],
  ])('%s', (shown, state) => expect(draw(liveAt(state))).toBe(shown))

  test('without a document shows no age', () => expect(draw(new Live())).toBe('Connecting'))

  test('that ends is said above the page, with the last good moment; before, nothing is', () => {
    const above = (live: Live) => words(render(SilenceBanner, { props: { live } }).body)
    expect(above(liveAt({}))).toBe('')
    expect(above(liveAt({ overdue: ['queue'] }))).toBe('')
    expect(above(liveAt({ age: 70_000 }))).toMatch(/^Nothing newer for 1 m 10 s .* Try now$/)
    expect(above(new Live())).toBe('No data yet. Waiting for the first document.')
  })
})

describe('a card', () => {
  const health: SectionHealth = {
    missing: false,
    stale: false,
    slow: false,
    notice: false,
    asOf: at(-20_000),
    error: null,
  }
  const draw = (part: Partial<SectionHealth>) =>
    words(render(Card, { props: { title: 'Queues', children: text('rows'), health: { ...health, ...part } } }).body)

  test('shows its rows, and when they are old since when and why', () => {
    expect(draw({})).toBe('Queues rows')
    expect(draw({ slow: true })).toMatch(/^Queues \d+ s ago rows$/)
    expect(draw({ stale: true, notice: true, error: 'database is locked' })).toMatch(
      /^Queues As of \d+ s ago\. Database is locked\. rows$/,
    )
  })

  test('of which nothing was ever collected shows no rows', () => {
    expect(draw({ missing: true, notice: true, asOf: null })).toBe('Queues Not collected yet. Not collected yet.')
    expect(draw({ missing: true, asOf: null })).toBe('Queues No data yet.')
  })
})

test('more rows are offered while there are more, and said to be loading', () => {
  const list = { rows: [1, 2], matched: 3, next: 'x', loading: false, error: null }
  const draw = (part: object) =>
    clean(render(MoreRows, { props: { list: { ...list, ...part } as never, what: 'queues' } }).body)
  expect(words(draw({}))).toBe('2 of 3 queues Show more')
  expect(draw({ loading: true })).toContain('disabled')
  expect(words(draw({ next: null }))).toBe('2 of 3 queues')
  expect(words(draw({ matched: null }))).toBe('')
})

test('a number of all has all only where that is known', () => {
  const draw = (all: number | null) => words(render(Of, { props: { n: 2, all } }).body).replace(/ /g, '')
  expect([draw(4), draw(0), draw(null)]).toEqual(['2/4', '2/0', '2'])
})

test('elapsed time ends where the knowledge of it ends', () => {
  const draw = (since: string | null, until?: number) => words(render(Elapsed, { props: { since, at: until } }).body)
  expect(draw(at(-60_000), now - 50_000)).toBe('10 s')
  expect(draw(null)).toBe('–')
  expect(draw('infinity', now)).toBe('infinity')
})
