/**
 * Draws the overview on the server, in a small JavaScript engine without a browser (internal/prerender), so that it is on
 * screen before any script has come. The browser shows it until the live page is mounted in its place. It knows neither who
 * looks nor in which zone: what depends on them is left out.
 */
import { render } from 'svelte/server'
import { live } from './lib/app'
import { parseJson } from './lib/exact'
import { forgetZone } from './lib/format'
import { session } from './lib/session.svelte'
import type { Boot, Document } from './lib/types/document'
import Prerendered from './Prerendered.svelte'

forgetZone()

/** The engine's clock stands at the time of the document: every age is that of then. */
function draw(document: string, boot: string): string {
  const about = JSON.parse(boot) as Boot
  session.boot(about)
  live.boot(about, parseJson<Document>(document), Date.now())
  return render(Prerendered).body.replace(/<!--.*?-->/g, '') // marks for a hydration that does not come
}

Object.assign(globalThis, { draw })
