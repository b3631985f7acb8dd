/** What the first paint does without: loaded once that is done. */
export { default as FreshnessDetails } from '../components/FreshnessDetails.svelte'
export { default as Toasts } from '../components/Toasts.svelte'
export { default as UnknownQuery } from '../components/UnknownQuery.svelte'
export { default as SecondScreen } from '../views/overview/SecondScreen.svelte'
export { browser, Connection } from './connection'
export { keyboard } from './keyboard'
export { keepPlace, restorePlace } from './place'
export { markOf, showIcon } from './tab'
