import { expect, test } from 'vitest'
import { isPlainClick, match } from './router.svelte'

const routes = [
  { path: '/', view: 'overview' },
  { path: '/jobs', view: 'jobs' },
  { path: '/jobs/:id', view: 'job' },
  { path: '/agents/:name', view: 'agent' },
]

test.each([
  ['/', 'overview', {}],
  ['/jobs', 'jobs', {}],
  ['/jobs/', 'jobs', {}],
  ['/jobs/42', 'job', { id: '42' }],
  ['/agents/a%20b', 'agent', { name: 'a b' }],
])('%s leads to %s', (path, view, params) => {
  expect(match(routes, path)).toEqual({ view, params })
})

test.each(['/nowhere', '/jobs/1/2', '/agents/%E0%A4%A'])('%s leads nowhere', (path) => {
  expect(match(routes, path)).toBeNull()
})

const here = new URL('http://here/jobs')
const link = (href: string, more: object = {}) => {
  const url = new URL(href, here)
  return {
    target: '',
    origin: url.origin,
    pathname: url.pathname,
    hasAttribute: () => false,
    ...more,
  } as unknown as HTMLAnchorElement
}
const click = (more: object = {}) =>
  ({
    defaultPrevented: false,
    button: 0,
    metaKey: false,
    ctrlKey: false,
    shiftKey: false,
    altKey: false,
    ...more,
  }) as MouseEvent

test('plain clicks on pages are ours', () => {
  expect(isPlainClick(click(), link('/agents'), here)).toBe(true)
})

test.each([
  ['with a modifier', click({ ctrlKey: true }), link('/agents')],
  ['with another button', click({ button: 1 }), link('/agents')],
  ['handled already', click({ defaultPrevented: true }), link('/agents')],
  ['into another window', click(), link('/agents', { target: '_blank' })],
  ['to another site', click(), link('http://there/')],
  ['to the API', click(), link('/api/jobs')],
  ['to a download', click(), link('/agents', { hasAttribute: () => true })],
])('clicks %s are the browser’s', (_, event, target) => {
  expect(isPlainClick(event, target, here)).toBe(false)
})
