/** Builds into a scratch folder and compares with the committed dist: same files, same bytes (.gz by their content). */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { build } from 'vite'

const scratch = mkdtempSync(join(tmpdir(), 'agentos-ui-'))
try {
  await build({ logLevel: 'error', build: { outDir: scratch, emptyOutDir: true } })
  const files = (dir) =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((f) => f.isFile())
      .map((f) => join(f.parentPath, f.name).slice(dir.length + 1))
      .sort()
  // Deflate may differ between zlib builds: what counts is what it unpacks to.
  const content = (path) => (path.endsWith('.gz') ? gunzipSync(readFileSync(path)) : readFileSync(path))
  const [want, have] = [files(scratch), files('dist')]
  const wrong = [
    ...want.filter((f) => !have.includes(f)).map((f) => `missing: ${f}`),
    ...have.filter((f) => !want.includes(f)).map((f) => `left over: ${f}`),
    ...want
      .filter((f) => have.includes(f) && !content(join(scratch, f)).equals(content(join('dist', f))))
      .map((f) => `differs: ${f}`),
  ]
  if (wrong.length) {
    console.error(`ui/dist is not what the sources give; run "npm run build".\n${wrong.join('\n')}`)
    process.exitCode = 1
  } else console.log(`ui/dist is what the sources give: ${want.length} files.`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
