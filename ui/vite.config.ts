import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'
import { gzipAssets } from './build/gzip-assets.ts'
import { firstPaint } from './build/first-paint.ts'

export default defineConfig({
  plugins: [svelte(), firstPaint(), gzipAssets()],
  publicDir: false,
  // The server knows whether it is below a path of a proxy, and puts that before the files that its pages name; scripts find theirs by
  // their own address.
  experimental: { renderBuiltUrl: (_, { hostType }) => (hostType === 'html' ? undefined : { relative: true }) },
  build: {
    target: ['chrome123', 'firefox120', 'safari17.5'], // light-dark(), since May 2024
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content security policy allows data: for images only
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      input: { index: 'index.html', login: 'login.html' },
    },
  },
  server: {
    // `npm run dev` beside a running `agentos demo`: pages come from Vite, data from the server.
    proxy: { '/api': 'http://127.0.0.1:8321', '/login': 'http://127.0.0.1:8321', '/logout': 'http://127.0.0.1:8321' },
  },
})
