import type { Plugin } from 'vite'

/**
 * Makes pages whose first paint is the whole of them: their stylesheets stand in them, which the server allows by hash, and browsers
 * that know `blocking` paint nothing before the scripts have run.
 */
export function firstPaint(): Plugin {
  return {
    name: 'first-paint',
    enforce: 'post',
    generateBundle(_, bundle) {
      const inlined = new Set<string>()
      const style = (name: string) => {
        const sheet = bundle[name]
        if (sheet?.type !== 'asset') throw new Error(`${name} is wanted by a page, and is not built`)
        inlined.add(name)
        return `<style>${String(sheet.source).trim()}</style>`
      }
      for (const page of Object.values(bundle)) {
        if (page.type !== 'asset' || !page.fileName.endsWith('.html')) continue
        page.source = String(page.source)
          .replace(/<link rel="stylesheet"[^>]* href="\/([^"]+)">/g, (_, name: string) => style(name))
          .replaceAll('<script type="module"', '<script type="module" blocking="render"')
      }
      for (const name of inlined) delete bundle[name]
    },
  }
}
