/** The document's types, which are generated, and those of what the server writes into the page beside it. */
export * from './document.generated'

/** What the server says in the page's boot block. */
export interface Boot {
  me: Me
  /** Agents can be given work and paused. */
  fleet: boolean
  /** Jobs and queues can be acted on. */
  acts: boolean
  version: string
  /** The path of a proxy that the dashboard is below; empty: none. */
  base: string
  /** The server's clock when it wrote the page. */
  now: string
  served: Served
}

export type Role = 'viewer' | 'operator' | 'admin'
export interface Me {
  name: string
  role: Role
}

/** Which rung of the server's ladder answered, and how old what it shows was at that moment: its oldest overdue section. */
export interface Served {
  rung: string
  age_s: number
  stale: boolean
}
