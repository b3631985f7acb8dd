import { createSubscriber } from 'svelte/reactivity'

/** The browser's time, ticking only while something on a visible page reads it. */
class Clock {
  #second = ticker(1000)
  #fifth = ticker(200)

  /** Unix ms, redrawn every second: for ages and elapsed times. */
  get second(): number {
    this.#second()
    return Date.now()
  }

  /** Unix ms, redrawn five times a second: for the freshness figure alone. */
  get fifth(): number {
    this.#fifth()
    return Date.now()
  }
}

function ticker(ms: number) {
  return createSubscriber((update) => {
    const timer = setInterval(() => document.hidden || update(), ms)
    document.addEventListener('visibilitychange', update)
    return () => {
      clearInterval(timer)
      document.removeEventListener('visibilitychange', update)
    }
  })
}

export const clock = new Clock()
