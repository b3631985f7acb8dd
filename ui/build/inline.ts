import { readFileSync } from 'node:fs'
import { transformWithOxc, type Plugin } from 'vite'

/**
 * Puts their stylesheets into the pages, so that they ask for nothing before the first paint. Their modules are loaded by a script of
 * a few lines, at the end, which lets the first paint go before. The server allows what is inlined by its hash.
 */
export function inlineFirstPaint(): Plugin {
  return {
    name: 'inline-first-paint',
    enforce: 'post',
    async generateBundle(_, bundle) {
      const inlined = new Set<string>()
      const style = (name: string) => {
        const sheet = bundle[name]
        if (sheet?.type !== 'asset') throw new Error(`${name} is wanted by a page, and is not built`)
        inlined.add(name)
        return `<style>${String(sheet.source).trim()}</style>`
      }
      const load = await small('load')
      for (const page of Object.values(bundle)) {
        if (page.type !== 'asset' || !page.fileName.endsWith('.html')) continue
        const scripts: string[] = []
        page.source = String(page.source)
          .replace(/<link rel="stylesheet"[^>]* href="\/([^"]+)">/g, (_, name: string) => style(name))
          .replace(/<script type="module"[^>]* src="([^"]+)"><\/script>/g, (_, src: string) => (scripts.push(src), ''))
          .replace(/<link rel="modulepreload"[^>]* href="([^"]+)">/g, (_, src: string) => (scripts.push(src), ''))
          .replace('</body>', (end) =>
            scripts.length ? `<script>${load.replace('SCRIPTS', JSON.stringify(scripts))}</script>${end}` : end,
          )
      }
      for (const name of inlined) delete bundle[name]
    },
  }
}

/** A script of src/inline without its comments. */
async function small(name: string): Promise<string> {
  const path = `src/inline/${name}.js`
  return (await transformWithOxc(readFileSync(path, 'utf8'), path, {})).code.replace(/\/\*.*?\*\/\s*/gs, '').trim()
}
