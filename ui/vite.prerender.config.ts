import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'
import { noDynamicImport } from './build/no-import.ts'

/** The script that internal/prerender runs: into dist beside the pages, never served. */
export default defineConfig({
  plugins: [svelte(), noDynamicImport()],
  publicDir: false,
  ssr: { noExternal: true },
  build: {
    ssr: 'src/prerender.ts',
    target: 'es2022',
    minify: true,
    outDir: 'dist',
    emptyOutDir: false,
    emitAssets: false,
    rolldownOptions: { output: { format: 'iife', codeSplitting: false, entryFileNames: 'prerender.js' } },
  },
})
