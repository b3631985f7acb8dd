import type { Plugin } from 'vite'

/**
 * The engine of internal/prerender knows no `import()`. Svelte's server side has two, for what only concurrent renderings
 * and content policies need; they are refused there. Any other one fails the build.
 */
export function noDynamicImport(): Plugin {
  return {
    name: 'no-dynamic-import',
    transform: (code, id) =>
      /svelte\/src\/internal\/server\//.test(id)
        ? code.replace(/\bimport\((\/\*.*?\*\/ ?)?[^)]*\)(?!\.)/g, 'Promise.reject()')
        : undefined,
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === 'chunk' && chunk.dynamicImports.length > 0) throw new Error(`${chunk.fileName} imports more`)
      }
    },
  }
}
