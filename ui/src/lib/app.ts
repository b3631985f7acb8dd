/** The application's one live document. */
import { serverClock } from './clock.svelte'
import { Live } from './live.svelte'
import { toLogin } from './session.svelte'

export const live = new Live(toLogin, serverClock)
