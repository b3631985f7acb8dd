import { defineConfig } from 'vitest/config'

// The real binary in a real Chromium. `make e2e` builds the binary first. The tests that measure time run alone; the
// others run two files at a time, each with a server of its own.
const measuring = ['tests/e2e/performance.test.ts']

const common = {
  testTimeout: 60_000,
  hookTimeout: 60_000,
  expect: { poll: { timeout: 20_000, interval: 50 } },
}

export default defineConfig({
  test: {
    reporters: ['verbose'],
    projects: [
      { test: { ...common, name: 'measured', include: measuring, maxWorkers: 1, sequence: { groupOrder: 0 } } },
      {
        test: {
          ...common,
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          exclude: measuring,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
