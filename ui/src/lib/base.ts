/**
 * A proxy may show the dashboard below a path, such as /ops/agentos. Inside, paths go without it, as in routes.ts; whatever the browser
 * follows or asks for is made by `to`.
 */
let base = ''

export function setBase(path: string) {
  base = path
}

/** The address of a page or an operation of ours: its path, and a query if there is one. */
export function to(path: string): string {
  return base + path
}

/** A path of the address bar as `routes` has it; null: it is another program's. */
export function within(pathname: string): string | null {
  if (!pathname.startsWith(base)) return null
  const path = pathname.slice(base.length)
  return path === '' ? '/' : path.startsWith('/') ? path : null
}
