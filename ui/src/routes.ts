/** Every address of the dashboard. The overview comes with the page; the other views are loaded when first visited. */
import type { Component } from 'svelte'
import type { Route } from './lib/router.svelte'
import { View, type ViewProps } from './lib/view.svelte'
import Overview from './views/Overview.svelte'

const lazy = (load: () => Promise<{ default: Component<ViewProps> }>) => load

export const routes: Route<View>[] = [
  { path: '/', view: new View(() => 'Overview', Overview) },
]
void lazy
