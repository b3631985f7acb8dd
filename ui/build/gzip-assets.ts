import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

/** Writes a .gz beside every file of dist/assets. The header holds no time and no operating system. */
export function gzipAssets(): Plugin {
  let outDir = 'dist'
  return {
    name: 'gzip-assets',
    apply: 'build',
    configResolved: (config) => void (outDir = resolve(config.root, config.build.outDir)),
    closeBundle() {
      const dir = join(outDir, 'assets')
      for (const name of readdirSync(dir)) {
        const packed = gzipSync(readFileSync(join(dir, name)), { level: 9 })
        packed.fill(0, 4, 8) // mtime
        packed[9] = 255 // operating system: unknown
        writeFileSync(join(dir, `${name}.gz`), packed)
      }
    },
  }
}
