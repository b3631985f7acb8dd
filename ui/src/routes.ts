/** Every address of the dashboard. The overview comes with the page; the other views are loaded when first visited. */
import type { Route } from './lib/router.svelte'
import { View } from './lib/view.svelte'
import Overview from './views/Overview.svelte'

export const routes: Route<View>[] = [
  { path: '/', view: new View(() => 'Overview', Overview) },
  { path: '/jobs', view: new View(() => 'Jobs', { load: () => import('./views/Jobs.svelte') }) },
  { path: '/jobs/:id', view: new View(({ id }) => `Job ${id}`, { load: () => import('./views/Job.svelte') }) },
  { path: '/agents', view: new View(() => 'Agents', { load: () => import('./views/Agents.svelte') }) },
  { path: '/agents/:name', view: new View(({ name }) => name!, { load: () => import('./views/Agent.svelte') }) },
  { path: '/workers', view: new View(() => 'Workers', { load: () => import('./views/Workers.svelte') }) },
  { path: '/settings', view: new View(() => 'Settings', { load: () => import('./views/Settings.svelte') }) },
]
