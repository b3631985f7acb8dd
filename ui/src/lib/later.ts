/** What the first paint does without: loaded once that is done. */
export { default as Toasts } from '../components/Toasts.svelte'
export { browser, Connection } from './connection'
export { keyboard } from './keyboard'
export { markOf, showIcon } from './tab'
