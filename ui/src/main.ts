import { mount } from 'svelte'
import App from './App.svelte'
import { live } from './lib/app'
import { parseJson } from './lib/exact'
import { session } from './lib/session.svelte'
import type { Boot, Document } from './lib/types/document'
import './styles/base.css'

const boot = block<Boot>('boot')
session.boot(boot)
live.boot(boot, block<Document>('snapshot'), firstByteAt())

// The place is empty, or holds the page as the server drew it (prerender.ts), which the live one follows.
const place = document.getElementById('app')!
const target = document.createElement('div')
target.id = place.id
mount(App, { target })
const focused = twin(document.activeElement)
place.replaceWith(target)
focused?.focus()

/** The element of the live page that is what the given one is in the drawing: who has the keyboard there keeps it. */
function twin(drawn: Element | null): HTMLElement | undefined {
  if (!drawn || !place.contains(drawn)) return undefined
  const same = (e: Element) =>
    ['href', 'aria-label', 'name', 'value'].every((name) => e.getAttribute(name) === drawn.getAttribute(name))
  return [...target.querySelectorAll<HTMLElement>(drawn.localName)].find(same)
}

/** A data block of the page; null when it is absent or empty. */
function block<T>(id: string): T | null {
  return parseJson<T | null>(document.getElementById(id)?.textContent || 'null')
}

/** When the page's first byte arrived, in unix ms of the browser. */
function firstByteAt(): number {
  const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
  return performance.timeOrigin + (navigation?.responseStart ?? performance.now())
}
