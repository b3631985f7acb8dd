import { defineConfig } from 'vitest/config'

// Checks of the built pages in a real Chromium against the fixture server; run `npm run build` first.
export default defineConfig({
  test: {
    include: ['tests/pages/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    sequence: { shuffle: { files: true } },
  },
})
