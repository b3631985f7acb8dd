import { defineConfig } from 'vitest/config'

// The real binary in a real Chromium, one file after the other: two measure time. `make e2e` builds the binary first.
export default defineConfig({
  test: {
    include: ['tests/e2e/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 40_000,
    hookTimeout: 30_000,
    expect: { poll: { timeout: 10_000, interval: 50 } },
    reporters: ['verbose'],
  },
})
