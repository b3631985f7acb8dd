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

mount(App, { target: document.getElementById('app')! })
document.getElementById('unloaded')!.remove()

/** A data block of the page; null when it is absent or empty. */
function block<T>(id: string): T | null {
  return parseJson<T | null>(document.getElementById(id)?.textContent || 'null')
}

/** When the page's first byte arrived, in unix ms of the browser. */
function firstByteAt(): number {
  const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
  return performance.timeOrigin + (navigation?.responseStart ?? performance.now())
}
