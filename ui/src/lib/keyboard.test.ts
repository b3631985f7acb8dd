import { beforeEach, expect, test, vi } from 'vitest'
import { keyboard } from './keyboard'

const keys = { go: vi.fn(), help: vi.fn() }
const press = (handle: (event: KeyboardEvent) => void, key: string, timeStamp = 0, more: object = {}) => {
  const event = { key, timeStamp, target: null, preventDefault: vi.fn(), ...more }
  handle(event as unknown as KeyboardEvent)
  return event
}

beforeEach(() => {
  vi.resetAllMocks()
  vi.stubGlobal('document', { querySelector: () => null, querySelectorAll: () => [] })
  vi.stubGlobal('HTMLElement', class {})
})

test('g and a letter go to a page', () => {
  const handle = keyboard(keys)
  press(handle, 'g')
  press(handle, 'a', 300)
  expect(keys.go).toHaveBeenCalledExactlyOnceWith('/agents')
})

test('a chord begun too long ago is over', () => {
  const handle = keyboard(keys)
  press(handle, 'g')
  press(handle, 'a', 5_000)
  expect(keys.go).not.toHaveBeenCalled()
})

test('j alone moves, after g it goes', () => {
  const handle = keyboard(keys)
  press(handle, 'j')
  expect(keys.go).not.toHaveBeenCalled()
  press(handle, 'g', 10)
  press(handle, 'j', 20)
  expect(keys.go).toHaveBeenCalledWith('/jobs')
})

test('the browser’s own shortcuts stay its own', () => {
  const handle = keyboard(keys)
  const event = press(handle, '?', 0, { ctrlKey: true })
  expect(keys.help).not.toHaveBeenCalled()
  expect(event.preventDefault).not.toHaveBeenCalled()
  press(handle, '?')
  expect(keys.help).toHaveBeenCalledOnce()
})

test('nothing fires while a dialog is open', () => {
  vi.stubGlobal('document', { querySelector: () => ({}), querySelectorAll: () => [] })
  press(keyboard(keys), '?')
  expect(keys.help).not.toHaveBeenCalled()
})
