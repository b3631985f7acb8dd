/** What the tests import: `test` with a server and a visitor, and the waits. */
import { expect, test as base, vi } from 'vitest'
import { AgentOS } from './agentos'
import { launchBrowser, Visitor } from './browser'

export const test = base
  // One for the whole file.
  .extend('server', { scope: 'file' }, async ({}, { onCleanup }) => {
    const server = await AgentOS.start()
    onCleanup(() => server.close())
    return server
  })
  .extend('browser', { scope: 'file' }, async ({}, { onCleanup }) => {
    const browser = await launchBrowser()
    onCleanup(() => browser.close())
    return browser
  })
  // Opens pages. At the end of the test it closes them and fails the test when something went wrong in one.
  .extend('visitor', async ({ browser, server }, { onCleanup }) => {
    const visitor = new Visitor(browser, server.url)
    onCleanup(async () => {
      await visitor.close()
      expect(visitor.problems).toEqual([])
    })
    return visitor
  })
  // What the server said is shown when a test fails.
  .extend('output', { auto: true }, async ({ server, onTestFailed }) => {
    const from = server.output.length
    onTestFailed(async () => {
      await new Promise(setImmediate) // what the pipe still holds
      console.log(`the server's output:\n${server.output.slice(from).slice(-6000)}`)
    })
  })

/** Repeats the checks until none fails, at most ten seconds. */
export function eventually<T>(checks: () => T | Promise<T>, timeout = 10_000): Promise<T> {
  return vi.waitFor(checks, { timeout, interval: 50 })
}

export { describe, expect } from 'vitest'
