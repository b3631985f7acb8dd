import { within } from './base'

/** A history router: links are plain `<a href>`, the address is the state. */
export interface Route<V> {
  /** "/jobs/:id": a part that begins with a colon matches one path segment. */
  path: string
  view: V
}

export interface Match<V> {
  view: V
  params: Record<string, string>
}

/** The first route that fits; null when none does. A malformed escape fits nothing. */
export function match<V>(routes: Route<V>[], pathname: string): Match<V> | null {
  const parts = split(pathname)
  for (const { path, view } of routes) {
    const pattern = split(path)
    if (pattern.length !== parts.length) continue
    const params: Record<string, string> = {}
    const fits = pattern.every((want, i) => {
      if (!want.startsWith(':')) return want === parts[i]
      const value = decode(parts[i]!)
      if (value === null) return false
      params[want.slice(1)] = value
      return true
    })
    if (fits) return { view, params }
  }
  return null
}

function split(pathname: string): string[] {
  return pathname.split('/').filter(Boolean)
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** Whether a click on a link is ours to follow; otherwise the browser does (new tab, download, other site, sign-out…). */
export function isPlainClick(event: MouseEvent, link: HTMLAnchorElement, here: URL): boolean {
  const path = within(link.pathname)
  return (
    !event.defaultPrevented &&
    event.button === 0 &&
    !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) &&
    (link.target === '' || link.target === '_self') &&
    !link.hasAttribute('download') &&
    link.origin === here.origin &&
    path !== null &&
    !path.startsWith('/api/') &&
    path !== '/openapi.json' &&
    path !== '/metrics'
  )
}

class Router {
  url = $state.raw(new URL(globalThis.location?.href ?? 'http://localhost/'))
  /** Counts visits: views may reset what belongs to one visit. */
  visit = $state(0)
  /** Where the page was scrolled to that was gone back to; null: it is a new one. */
  back = $state.raw<{ y: number } | null>(null)

  /** The path of the page as the routes have it. */
  get path(): string {
    return within(this.url.pathname) ?? this.url.pathname
  }

  /** Begins to follow the address bar and the links of the page. Returns what ends it. */
  start(): () => void {
    this.url = new URL(location.href)
    const onPop = () => {
      this.#show()
      this.back = { y: history.state?.y ?? 0 }
    }
    const onClick = (event: MouseEvent) => {
      const link = event.target instanceof Element ? event.target.closest('a') : null
      if (!link?.href || !isPlainClick(event, link, this.url)) return
      if (link.hash && link.pathname === this.url.pathname && link.search === this.url.search) return
      event.preventDefault()
      this.go(link.href)
    }
    addEventListener('popstate', onPop)
    addEventListener('click', onClick)
    return () => {
      removeEventListener('popstate', onPop)
      removeEventListener('click', onClick)
    }
  }

  go(href: string, { replace = false } = {}) {
    const url = new URL(href, this.url)
    if (url.href === this.url.href) return
    if (replace) history.replaceState(history.state, '', url)
    else {
      history.replaceState({ ...history.state, y: scrollY }, '')
      history.pushState({ key: Math.random() }, '', url)
    }
    this.back = null
    const newPage = url.pathname !== this.url.pathname
    this.#show()
    if (newPage) scrollTo(0, 0)
  }

  /** A parameter of the address; '' when it is not there. */
  get(name: string): string {
    return this.url.searchParams.get(name) ?? ''
  }

  /** Changes a parameter of the address, as a filter does while somebody types. */
  set(name: string, value: string) {
    const url = new URL(this.url)
    url.searchParams.set(name, value)
    if (!value) url.searchParams.delete(name)
    this.go(url.href, { replace: true })
  }

  /** Names the visit that is shown: the same again when it is gone back to. */
  get entry(): string {
    return `${history.state?.key ?? ''} ${this.url.search}`
  }

  #show() {
    this.url = new URL(location.href)
    this.visit++
  }
}

export const router = new Router()
