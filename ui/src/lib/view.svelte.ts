import type { Component } from 'svelte'

export interface ViewProps {
  /** The named parts of the path. */
  params: Record<string, string>
}

/** A component that takes ViewProps, or none. */
type Page = Component<never>

/** A page of the dashboard: there from the start, or loaded when first needed. */
export class View {
  component = $state.raw<Component<ViewProps> | null>(null)
  failed = $state(false)
  readonly #load: (() => Promise<{ default: Page }>) | null

  constructor(
    readonly title: (params: Record<string, string>) => string,
    source: Page | { load: () => Promise<{ default: Page }> },
  ) {
    this.#load = 'load' in source ? source.load : null
    if (!('load' in source)) this.component = source as Component<ViewProps>
  }

  async load() {
    if (this.component || !this.#load) return
    this.failed = false
    try {
      this.component = (await this.#load()).default as Component<ViewProps>
    } catch {
      this.failed = true
    }
  }
}
