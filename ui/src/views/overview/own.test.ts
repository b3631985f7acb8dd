/** What a card of the agents' file shows, drawn as Svelte draws for servers. Sizes and the page are in tests/pages. */
import { render } from 'svelte/server'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { OwnSection, OwnValue } from '../../lib/types/document'
import OwnCard from './OwnCard.svelte'

const now = Date.parse('2026-11-23T12:00:00Z')
const ago = (s: number) => new Date(now - s * 1000).toISOString()

beforeEach(() => void vi.useFakeTimers({ now }))
afterEach(() => void vi.useRealTimers())

const clean = (html: string) => html.replace(/<!--.*?-->/gs, '').replace(/ ?\b(svelte|s)-[a-z0-9]{5,}/g, '')
const words = (html: string) =>
  html
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()

function draw(show: OwnSection['show'], value: OwnValue | null, more: Partial<OwnSection> = {}): string {
  const section = { order: 0, title: 'Invoices', place: 'overview', show, every_s: 60, value, as_of: ago(30), ...more }
  return clean(render(OwnCard, { props: { section } }).body)
}

describe('a card of the file', () => {
  test('shows a number with its unit and its level in words, and how old it is', () => {
    const text = words(draw('number', { number: 1284, unit: 'EUR', level: 'warn' }))
    expect(text).toMatch(/Invoices/)
    expect(text).toContain('1,284 EUR')
    expect(text).toContain('Warning')
    expect(draw('number', { number: 1 })).toMatch(/<time[^>]*datetime="2026-11-23T11:59:30.000Z"/)
  })

  test('says of each level what it is, by more than a colour', () => {
    for (const [level, word] of [
      ['ok', 'OK'],
      ['warn', 'Warning'],
      ['bad', 'Bad'],
    ] as const) {
      expect(words(draw('number', { number: 1, level }))).toContain(word)
      expect(words(draw('status', { status: 'so so', level }))).toMatch(new RegExp(`so so.*${word}`))
    }
    expect(draw('number', { number: 1, level: 'bad' })).toMatch(/class="state bad ?"/)
    expect(words(draw('number', { number: 1 }))).not.toMatch(/OK|Warning|Bad/)
  })

  test('shows a table with its columns, and how many rows are left out', () => {
    const columns = [{ label: 'Customer' }, { label: 'Share', format: 'percent' as const }]
    const html = draw('table', {
      columns,
      rows: [
        ['<b>Acme</b>', 31.2],
        [null, null],
      ],
      more: 12,
    })
    expect(words(html)).toMatch(/Customer Share .*&lt;b>Acme&lt;\/b> 31.2 % – – and 12 more rows/)
    expect(html).not.toContain('<b>')
    expect(html).toMatch(/<td class="num[^"]*" data-column="c1"/)
    expect(words(draw('table', { columns, rows: [] }))).toContain('No rows.')
  })

  test('shows a series as a line, its last value, and the same in words', () => {
    const points = [4, 9, 7].map((value, i) => ({ at: ago(180 - 60 * i), value }))
    const html = draw('series', { points, unit: 'req/s' })
    expect(words(html)).toContain('7 req/s')
    expect(html).toMatch(/aria-label="3 points from [^"]* lowest 4, highest 9"/)
    expect(html).toMatch(/<path d="M0/)
    expect(words(draw('series', { points: [] }))).toContain('–')
  })

  test('shows text as text', () => {
    const html = draw('text', { text: '<script>alert(1)</script>', cut: true })
    expect(html).not.toContain('<script>')
    expect(html).toContain('&lt;script>')
    expect(words(html)).toContain('The rest is left out.')
  })

  test('that fails says so and since when, and keeps the last good value with its age', () => {
    const html = draw('number', { number: 37 }, { error: 'exit status 3', failing_since: ago(1200), as_of: ago(1260) })
    const text = words(html)
    expect(text).toMatch(/Failing.*since.*: ?(&nbsp;)?.*Exit status 3\./)
    expect(text).toContain('37')
    expect(html).toMatch(/class="value number[^"]*old/)
    expect(html).toMatch(/datetime="2026-11-23T11:39:00.000Z"/)
    expect(draw('number', { number: 37 })).not.toMatch(/\bold\b|Failing/)
  })

  test('that has no value says why', () => {
    expect(words(draw('status', null, { as_of: null }))).toContain('Not collected yet.')
    expect(words(draw('status', null, { as_of: null, error: 'no' }))).toMatch(/No\..*There is no earlier value\./)
    expect(words(draw('number', null, { role: 'admin' }))).toContain('Only admins may see this value.')
    expect(words(draw('number', null, { role: 'operator' }))).toContain('Operators and admins may see this value.')
  })

  test('leads to the web only, without a way back to this page', () => {
    const html = draw('number', { number: 1 }, { link: 'https://example.org/' })
    expect(html).toMatch(/<a class="link ?" href="https:\/\/example.org\/" target="_blank" rel="noopener noreferrer">/)
    for (const link of ['javascript:alert(1)', '//example.org', 'data:text/html,x'])
      expect(draw('number', { number: 1 }, { link })).not.toContain('<a')
  })
})
