/**
 * How far the server's clock is ahead of the browser's. Each time heard is late by the way it took, so the largest of
 * the last samples is the nearest to the truth; old samples fall out, since clocks are set and machines sleep.
 */
export class Skew {
  #samples: number[] = []

  /** Server time `at` (unix ms) was heard at browser time `heard` (unix ms). Returns the offset now believed. */
  add(at: number, heard: number): number {
    if (Number.isFinite(at)) this.#samples.push(at - heard)
    if (this.#samples.length > 12) this.#samples.shift()
    return this.offset
  }

  get offset(): number {
    return this.#samples.length ? Math.max(...this.#samples) : 0
  }
}
