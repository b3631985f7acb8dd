/** Compressed size of the first load (the page without its data, and what it needs at once) and of each lazy file. */
import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const budget = 47 * 1024
const size = (path) => gzipSync(readFileSync(path), { level: 9 }).length
const html = readFileSync('dist/index.html', 'utf8')
const first = [...html.matchAll(/\/(assets\/[^"]+\.(?:js|css))"/g)].map((m) => m[1])
let total = size('dist/index.html')
for (const file of readdirSync('dist/assets').filter((name) => /\.(js|css)$/.test(name))) {
  const bytes = size(`dist/assets/${file}`)
  const atOnce = first.includes(`assets/${file}`)
  if (atOnce) total += bytes
  console.log(`${String(bytes).padStart(7)}  ${atOnce ? 'first load' : 'later     '}  ${file}`)
}
console.log(`${String(total).padStart(7)}  first load, of ${budget}`)
if (total > budget) process.exit(1)
