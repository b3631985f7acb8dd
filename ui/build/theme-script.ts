import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Plugin } from 'vite'

/**
 * Replaces `<!--theme-->` in every page by a classical, blocking script of the given file under a hashed name: the
 * stored theme is applied before the first paint, without an inline script and without waiting for the modules.
 */
export function themeScript(file: string): Plugin {
  const text = () => readFileSync(file, 'utf8')
  const hashed = (source: string) =>
    `assets/theme-${createHash('sha256').update(source).digest('base64url').slice(0, 8)}.js`
  let dev = false
  return {
    name: 'theme-script',
    configResolved: (config) => void (dev = config.command === 'serve'),
    configureServer: (server) =>
      void server.middlewares.use('/assets/theme.js', (_, res) => {
        res.setHeader('Content-Type', 'text/javascript')
        res.end(text())
      }),
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: hashed(text()), source: text() })
    },
    transformIndexHtml: {
      order: 'post',
      handler: (html) =>
        html.replace('<!--theme-->', `<script src="/${dev ? 'assets/theme.js' : hashed(text())}"></script>`),
    },
  }
}
