/** What the tests import: `test` with a server and a visitor, and the waits. */
import { join } from 'node:path'
import { expect, test as base, vi } from 'vitest'
import { AgentOS, type Options } from './agentos'
import { launchBrowser, Visitor } from './browser'

/** The tests of a file, with a server of its own that is started like this. */
export const serving = (options: Options = {}) =>
  base
    // One for the whole file.
    .extend('server', { scope: 'file' }, async ({}, { onCleanup }) => {
      const server = await AgentOS.start(options)
      onCleanup(() => server.close())
      return server
    })
    .extend('browser', { scope: 'file' }, async ({}, { onCleanup }) => {
      const browser = await launchBrowser()
      onCleanup(() => browser.close())
      return browser
    })
    // Opens pages. At the end of the test it closes them and fails the test when something went wrong in one.
    .extend('visitor', async ({ browser, server, task }, { onCleanup }) => {
      const visitor = new Visitor(browser, server.url)
      onCleanup(async () => {
        if (task.result?.errors?.length) await visitor.photograph(join('test-results', task.name.replace(/\W+/g, '-')))
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

export const test = serving()

/** Repeats the checks until none fails, at most twenty seconds. */
export function eventually<T>(checks: () => T | Promise<T>, timeout = 20_000): Promise<T> {
  return vi.waitFor(checks, { timeout, interval: 50 })
}

export { describe, expect } from 'vitest'
