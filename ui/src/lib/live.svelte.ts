/**
 * The document every view reads, kept up to date. Boots from the data blocks of the page, so that nothing is asked
 * before the overview is complete.
 */
import { ServerClock } from './clock.svelte'
import type { Connection, Link, Patch, Receiver } from './connection'
import { mergePatch } from './merge'
import { Skew } from './skew'
import type { Attached, Boot, Capability, Document, Maybe, SectionMeta, SectionName, Served } from './types/document'

/** How a section stands: what its card must say. */
export interface SectionHealth {
  /** Never collected: there is no value to show. */
  missing: boolean
  /** The value is older than promised, or its last attempt failed. */
  stale: boolean
  /** It is collected so rarely, by its own pace or for its cost, that its age is shown even when all is well. */
  slow: boolean
  /** There is something to say on its card. That nothing comes at all is said once, above the page. */
  notice: boolean
  /** When the value was collected; null = never. */
  asOf: string | null
  error: string | null
}

export class Live implements Receiver {
  doc = $state.raw<Document | null>(null)
  link = $state<Link>('connecting')
  /** Why there is no newer document, in words. */
  problem = $state<string | null>(null)
  served = $state.raw<Served | null>(null)
  /** Counts the documents received: the live dot rings with each. */
  received = $state(0)
  #skew = new Skew()
  #connection: Connection | null = null

  constructor(
    private readonly onSessionEnd: () => void = () => {},
    private readonly clock = new ServerClock(),
  ) {}

  /** Takes the page's own data. `loadedAt`: browser time (unix ms) at which the page's first byte arrived. */
  boot(boot: Maybe<Boot>, doc: Document | null, loadedAt: number) {
    this.doc = doc
    this.served = boot?.served ?? null
    if (boot) this.clock.offset = this.#skew.add(Date.parse(boot.now), loadedAt)
  }

  /** Begins to receive by a connection that may have to be loaded first. Returns what ends it. */
  connect(load: (receiver: Receiver) => Promise<Connection>): () => void {
    const ended = new AbortController()
    load(this).then(
      (connection) => {
        if (ended.signal.aborted) return
        this.#connection = connection
        ended.signal.addEventListener('abort', () => connection.stop())
        connection.start()
      },
      () => this.linked('offline', 'Reload the page: a part of it is missing.'),
    )
    return () => ended.abort()
  }

  /** The page is looked at again, or the network is back. */
  wake() {
    this.#connection?.wake()
  }

  /** The page is no longer looked at. */
  hide() {
    this.#connection?.hide()
  }

  // Receiver

  revision(): number | null {
    return this.doc?.meta.revision ?? null
  }

  snapshot(doc: Document, served: Served | null) {
    this.doc = doc
    this.served = served ?? { rung: 'memory', age_s: 0, stale: doc.meta.stale }
    this.received++
  }

  patch({ from, to, patch }: Patch): boolean {
    if (this.doc === null) return false
    const held = this.doc.meta.revision
    if (to <= held) return true
    if (from !== held) return false
    this.doc = mergePatch(this.doc, patch)
    this.served = { rung: 'memory', age_s: 0, stale: this.doc.meta.stale }
    this.received++
    this.serverTime(this.doc.timestamp)
    return this.doc.meta.revision === to
  }

  serverTime(at: string) {
    this.clock.offset = this.#skew.add(Date.parse(at), Date.now())
  }

  linked(link: Link, problem: string | null) {
    this.link = link
    this.problem = problem
  }

  sessionEnded() {
    this.linked('ended', 'The session has ended.')
    this.onSessionEnd()
  }

  // What the views read

  get now(): number {
    return this.clock.now
  }

  get preciseNow(): number {
    return this.clock.preciseNow
  }

  since(at: Maybe<string>): number | null {
    return this.clock.since(at)
  }

  until(at: Maybe<string>): number | null {
    return this.clock.until(at)
  }

  /** Until when the state of a section is known: now, or when it was last collected if that is too long ago. */
  knownAt(name: SectionName): number {
    const { stale, asOf } = this.section(name)
    return stale && asOf !== null ? Date.parse(asOf) : this.now
  }

  /** Nothing newer came for longer than the document itself allows. */
  get silent(): boolean {
    const doc = this.doc
    return doc !== null && this.now - Date.parse(doc.timestamp) > doc.meta.fresh_ms
  }

  /** Something on the page is older than promised. */
  get stale(): boolean {
    return this.silent || (this.doc?.meta.stale ?? true)
  }

  /** The leader of several servers; undefined when one server is alone: then there is no link. */
  get leader(): Maybe<string> {
    const parts = this.doc?.dashboard.system?.components ?? {}
    return parts.redis || parts['postgres link'] ? this.doc?.meta.publisher : undefined
  }

  /** Another program's River database, if that is what is shown. */
  get attached(): Maybe<Attached> {
    return this.doc?.dashboard.system?.attached
  }

  /** Whether the engine cannot report something at all: then the page has no room for it. What needs a setting may be there. */
  lacks = (capability: Capability): boolean => {
    const missing = this.doc?.dashboard.system?.engine?.missing[capability]
    return missing !== undefined && missing.answer !== 'needs_setting'
  }

  /** Of how many there may be, where that is known: another program's limits are not. */
  limit(n: Maybe<number>): Maybe<number> {
    return n || !this.attached ? n : null
  }

  /** How often the document is published, ms. */
  get every(): number {
    return this.doc?.meta.interval_ms ?? 0
  }

  /** The sections that are older than promised, and when the oldest of them was collected; others may be fresh. */
  get overdue(): { names: string[]; asOf: string } | null {
    const { sections = {}, as_of: asOf = '' } = this.doc?.meta ?? {}
    const names = Object.keys(sections).filter((name) => sections[name as SectionName]?.overdue)
    return names.length ? { names, asOf } : null
  }

  section(name: SectionName): SectionHealth {
    const meta: Maybe<SectionMeta> = this.doc?.meta.sections[name]
    const missing = meta?.as_of == null
    const error = meta?.error ?? null
    const overdue = meta?.overdue ?? false
    return {
      missing,
      stale: this.silent || overdue || error !== null,
      slow: meta !== undefined && meta.every_ms > 10_000,
      notice: this.doc !== null && (missing || error !== null || (overdue && !this.silent)),
      asOf: meta?.as_of ?? null,
      error,
    }
  }
}
