/** The application's one live document. */
import { Live } from './live.svelte'
import { toLogin } from './session.svelte'

export const live = new Live(toLogin)
