/** Reads a database beside the server that writes it, with a program that shares no code with it. */
import { spawnSync } from 'node:child_process'

/** Whether the sqlite3 command is there. */
export const haveSQLite = spawnSync('sqlite3', ['-version']).status === 0

/** The rows of one query. */
export function query<T>(database: string, sql: string): T[] {
  const { status, stdout, stderr } = spawnSync(
    'sqlite3',
    ['-readonly', '-json', '-cmd', '.timeout 5000', database, sql],
    {
      encoding: 'utf8',
    },
  )
  if (status !== 0) throw new Error(`sqlite3: ${stderr}`)
  return JSON.parse(stdout || '[]') as T[]
}
