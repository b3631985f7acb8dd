/** The log lines seen since the page was opened, oldest first, bounded. The document holds only the newest few. */
import type { Keyed, LogLine, Maybe } from './types/document'

export const levels = ['debug', 'info', 'warn', 'error'] as const
type Level = (typeof levels)[number]

export class LogTail {
  lines = $state.raw<LogLine[]>([])

  constructor(private readonly limit = 400) {}

  /** Takes the lines not seen yet. Returns how many there were. */
  add(items: Maybe<Keyed<LogLine>>): number {
    const last = this.lines.at(-1)?.id ?? -Infinity
    const fresh = Object.values(items ?? {})
      .filter((line) => line.id > last)
      .sort((a, b) => a.id - b.id)
    if (fresh.length) this.lines = [...this.lines, ...fresh].slice(-this.limit)
    return fresh.length
  }
}

/** Lines at or above the level whose message, agent or job number contains the text. */
export function filterLines(lines: LogLine[], text: string, least = ''): LogLine[] {
  const wanted = text.trim().toLowerCase()
  const rank = levels.indexOf(least as Level)
  return lines.filter(
    (line) =>
      levels.indexOf(line.level) >= rank && `${line.msg} ${line.agent} #${line.job_id}`.toLowerCase().includes(wanted),
  )
}
