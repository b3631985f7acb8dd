/**
 * How far the server's clock is ahead of the browser's. Each time received is late by the way it took, so the largest of
 * the last samples is the nearest to the truth; old samples fall out, since clocks are set and machines sleep.
 */
export class Skew {
  #samples: number[] = []

  /** Server time `at` (unix ms) was received at browser time `received` (unix ms). Returns the offset now believed. */
  add(at: number, received: number): number {
    if (Number.isFinite(at)) this.#samples.push(at - received)
    if (this.#samples.length > 12) this.#samples.shift()
    return this.offset
  }

  get offset(): number {
    return this.#samples.length ? Math.max(...this.#samples) : 0
  }
}
