import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [svelte()],
  resolve: { conditions: ['browser'] }, // runes behave as in the browser
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
    css: { include: [/\/styles\//] },
    sequence: { shuffle: true },
  },
})
