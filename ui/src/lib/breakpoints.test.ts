import { expect, test } from 'vitest'
import { breakpoints } from './breakpoints'

const files = import.meta.glob<string>('../**/*.{svelte,css}', { query: '?raw', import: 'default', eager: true })
const styles = Object.entries(files).map(([path, text]) => ({ path, text }))

test('styles can be read', () => {
  expect(styles.filter(({ text }) => !text)).toEqual([])
  expect(styles.length).toBeGreaterThan(50)
})

test('the layout changes at three widths only', () => {
  const used = styles.flatMap(({ path, text }) =>
    [...text.matchAll(/@(?:media|container)[^{]*?-width: ([^)]+)\)/g)].map(([, width]) => ({ path, width })),
  )
  const known = breakpoints.map((width) => `${width}px`)
  expect(used.filter(({ width }) => !known.includes(width!))).toEqual([])
  expect(new Set(used.map(({ width }) => width))).toEqual(new Set(known))
})

test('columns are addressed by name, not by place', () => {
  expect(styles.filter(({ text }) => /nth-(last-)?(child|of-type)/.test(text)).map(({ path }) => path)).toEqual([])
})
