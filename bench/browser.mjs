// Loads pages in headless Chromium and times them. It takes orders, a JSON object a line, from its standard input, and
// answers each with a line; see browser.go. It ends when the input ends.
import { createRequire } from 'node:module'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'

const { chromium } = createRequire(new URL('../ui/package.json', import.meta.url))('playwright-core')

const found = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome', '/usr/bin/chromium-browser']
const browser = await chromium.launch({
  executablePath: found.find((path) => path && existsSync(path)),
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
})

/** A page in a context of its own: nothing is in its cache. */
async function blank(order) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const page = await context.newPage()
  if (order.from) {
    // Before signing in, or the page of the login would lead to the page that is measured.
    await page.goto(order.from, { timeout: order.timeout })
    await sleep(1500) // opening a window keeps the browser busy for a second
  }
  const { url, cookie } = order
  if (cookie) {
    const [name, value] = cookie.split('=')
    await context.addCookies([{ name, value, url: new URL(url).origin, httpOnly: true, sameSite: 'Lax' }])
  }
  return page
}

/**
 * Runs in the page: notes when the frame that shows it complete has been drawn, and when it is live. It looks once a frame, which
 * disturbs the page less than observing its changes.
 */
const watch = (ready, live) => `(() => {
  globalThis.bench = {}
  const is = (condition) => { try { return Boolean(condition()) } catch { return false } } // the page is not there yet
  const frame = new MessageChannel()
  frame.port1.onmessage = ({ data }) => { for (const name of data) globalThis.bench[name] = performance.now() }
  const open = new Map([['complete', () => ${ready}], ['live', () => ${live}]])
  const look = () => {
    const now = [...open].filter(([, condition]) => is(condition)).map(([name]) => name)
    now.forEach((name) => open.delete(name))
    if (now.length > 0) frame.port2.postMessage(now) // answered after the frame that begins now
    if (open.size > 0) requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
})()`

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

let next // the page that visit navigates

async function visit(order) {
  const page = next
  try {
    const devtools = await page.context().newCDPSession(page)
    await devtools.send('Network.enable')
    const paths = new Map()
    const seen = { requests: 0, api: 0, bytes: 0 }
    let counting = true
    devtools.on('Network.requestWillBeSent', ({ requestId, request }) => {
      if (!counting) return
      paths.set(requestId, new URL(request.url).pathname)
      seen.requests++
    })
    devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      if (!counting) return
      seen.bytes += encodedDataLength // headers too
      if (paths.get(requestId)?.includes('/api/')) seen.api++
    })
    await page.addInitScript(watch(order.ready, order.live || order.ready))
    await page.goto(order.url, { waitUntil: 'commit', timeout: order.timeout })
    const times = await page
      .waitForFunction(() => globalThis.bench.complete && globalThis.bench.live && globalThis.bench, undefined, {
        timeout: order.timeout,
        polling: 250,
      })
      .then((handle) => handle.jsonValue())
      .catch((error) => {
        if (error.name === 'TimeoutError') return { complete: 0, live: 0 }
        throw error
      })
    counting = false
    return { ms: times.complete, live: times.live, ...seen }
  } finally {
    await page.context().close()
  }
}

let opened = []

const orders = {
  version: () => ({ version: browser.version() }),
  async prepare(order) {
    next = await blank(order)
    return {}
  },
  visit,
  async open(order) {
    for (let i = 0; i < order.pages; i++) {
      const page = await blank(order)
      opened.push(page)
      await page.goto(order.url, { waitUntil: 'commit', timeout: 60_000 })
    }
    return {}
  },
  async shut() {
    await Promise.all(opened.map((page) => page.context().close()))
    opened = []
    return {}
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line)
  let answer
  try {
    answer = await orders[order.do](order)
  } catch (error) {
    answer = { error: String(error.message ?? error) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
await browser.close()
