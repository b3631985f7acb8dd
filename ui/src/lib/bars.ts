import type { Maybe } from './types/document'

/** Stacked bars as SVG paths, drawn in units of buckets and counts: the viewBox scales them, nothing is measured. */

/** The smallest of 1, 2, 5 × 10ⁿ (and 4, 10…) steps that covers `max` with at most `lines` lines above zero. */
export function scale(max: number, lines = 3): { top: number; ticks: number[] } {
  if (!(max > 0)) return { top: 1, ticks: [0, 1] }
  const rough = max / lines
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = Math.max(
    1,
    [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999)!,
  )
  const top = Math.ceil(max / step) * step
  return { top, ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step) }
}

/** Sums of the stacked series, bucket by bucket. */
export function totals(...series: Maybe<number>[][]): number[] {
  const length = Math.max(0, ...series.map((s) => s.length))
  return Array.from({ length }, (_, i) => series.reduce<number>((sum, s) => sum + (s[i] ?? 0), 0))
}

/**
 * One path of bars standing on `base`. The y axis points down from `top`; a bar is `1 - gap` buckets wide. A count that
 * is not zero is at least `least` high, so that one failure among thousands can be seen.
 */
export function bars(
  values: Maybe<number>[],
  base: Maybe<number>[],
  top: number,
  { gap = 0.3, least = 0 } = {},
): string {
  let path = ''
  values.forEach((value, i) => {
    if (!value || value < 0) return
    const height = Math.max(value, least)
    const foot = top - (base[i] ?? 0)
    path += `M${fixed(i + gap / 2)} ${fixed(foot)}v${fixed(-height)}h${fixed(1 - gap)}v${fixed(height)}z`
  })
  return path
}

/** The bucket under a position, 0 to 1 from the left. */
export function bucketAt(position: number, buckets: number): number {
  return Math.min(buckets - 1, Math.max(0, Math.floor(position * buckets)))
}

function fixed(n: number): string {
  return String(Math.round(n * 1000) / 1000)
}

/** How many buckets from the first on are not recorded. */
export function unrecorded(values: Maybe<number>[]): number {
  const first = values.findIndex((value) => value != null)
  return first < 0 ? values.length : first
}
