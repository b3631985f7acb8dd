import type { Plugin } from 'vite'

/**
 * Makes pages whose first paint is the whole of them: their stylesheets stand in them, which the server allows by hash, and browsers
 * that know `blocking` paint nothing before the scripts have run. The stylesheets of what the dashboard loads right after the first
 * paint (src/lib/later.ts) stand in it too: alone they would be a request each.
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
      const soon = new Set<string>()
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === 'chunk' && chunk.facadeModuleId?.endsWith('/src/lib/later.ts')) {
          for (const file of [chunk.fileName, ...chunk.imports]) {
            const part = bundle[file]
            if (part?.type === 'chunk') part.viteMetadata?.importedCss.forEach((name) => soon.add(name))
          }
        }
      }
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === 'chunk') soon.forEach((name) => chunk.viteMetadata?.importedCss.delete(name)) // nobody loads them
      }
      for (const page of Object.values(bundle)) {
        if (page.type !== 'asset' || !page.fileName.endsWith('.html')) continue
        page.source = String(page.source)
          .replace(/<link rel="stylesheet"[^>]* href="\/([^"]+)">/g, (_, name: string) => style(name))
          .replaceAll('<script type="module"', '<script type="module" blocking="render"')
        if (page.fileName === 'index.html')
          page.source = page.source.replace(
            '</head>',
            () => [...soon].map(style).join('').replaceAll('</style><style>', '') + '</head>',
          )
      }
      for (const name of inlined) delete bundle[name]
    },
  }
}
