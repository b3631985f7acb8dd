/** Chromium, and pages that report everything that goes wrong in them. */
import { existsSync } from 'node:fs'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { Api } from './api'
import { password } from './agentos'

export function launchBrowser(): Promise<Browser> {
  const found = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome', '/usr/bin/chromium-browser']
  const executablePath = found.find((path) => path && existsSync(path))
  if (!executablePath) throw new Error('Chromium is missing: run make setup, or set CHROMIUM to its path')
  return chromium.launch({
    executablePath,
    headless: true,
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
}

export interface Visit extends BrowserContextOptions {
  /** Who is signed in: an account of the server, or nobody. */
  as?: string | null
  /** The address of the server as the browser sees it. */
  url?: string
}

/** Opens pages, each in a context of its own, and knows what went wrong in them. */
export class Visitor {
  /** Console errors, exceptions and violations of the content security policy. */
  problems: string[] = []
  #sessions = new Map<string, string>()
  #tolerated: RegExp[] = []

  constructor(
    private readonly browser: Browser,
    private readonly serverURL: string,
  ) {}

  async open(path: string, { as = 'admin', url = this.serverURL, ...options }: Visit = {}): Promise<Page> {
    const page = await this.blank({ as, url, ...options })
    await page.goto(path)
    return page
  }

  /** A page that has not gone anywhere yet. */
  async blank({ as = 'admin', url = this.serverURL, ...options }: Visit = {}): Promise<Page> {
    const context = await this.browser.newContext({ baseURL: url, ...options })
    if (as) {
      const [name, value] = (await this.#session(as)).split('=') as [string, string]
      await context.addCookies([{ name, value, url, httpOnly: true, sameSite: 'Lax' }])
    }
    if (options.javaScriptEnabled !== false) {
      await context.addInitScript(() =>
        addEventListener(
          'securitypolicyviolation',
          (e) => console.error('CSP', e.violatedDirective, e.blockedURI),
          true,
        ),
      )
    }
    const page = await context.newPage()
    page.on('pageerror', (error) => this.#report(`exception: ${error.message}`))
    page.on('console', (message) => {
      if (message.type() === 'error') this.#report(`${message.text()} (${message.location().url})`)
    })
    return page
  }

  /** Console errors like this are expected in this test: Chromium reports each failed request. */
  tolerate(pattern: RegExp) {
    this.#tolerated.push(pattern)
  }

  /** Saves a picture of every open page: what a failed test was looking at. */
  async photograph(path: string) {
    const pages = this.browser.contexts().flatMap((context) => context.pages())
    await Promise.all(pages.map((page, i) => page.screenshot({ path: `${path}-${i + 1}.png` }).catch(() => undefined)))
  }

  /** Closes every page it opened. */
  async close() {
    await Promise.all(this.browser.contexts().map((context) => context.close()))
  }

  #report(problem: string) {
    if (!this.#tolerated.some((pattern) => pattern.test(problem))) this.problems.push(problem)
  }

  /** A session cookie, "name=value". */
  async #session(user: string): Promise<string> {
    let cookie = this.#sessions.get(user)
    if (!cookie) {
      cookie = await signIn(this.serverURL, user)
      this.#sessions.set(user, cookie)
    }
    return cookie
  }
}

/** Signs in as the login form does, and gives the session's cookie. */
export async function signIn(url: string, name: string): Promise<string> {
  const response = await fetch(`${url}/login`, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ name, password, next: '/' }),
  })
  const cookie = response.headers.getSetCookie()[0]?.split(';')[0]
  if (response.status !== 303 || !cookie)
    throw new Error(`sign in as ${name}: ${response.status} ${await response.text()}`)
  return cookie
}

/** An API client that carries a browser's session. */
export function sessionApi(url: string, cookie: string): Api {
  return new Api(url, { Cookie: cookie })
}
