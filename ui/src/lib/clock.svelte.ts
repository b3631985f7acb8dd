import { createSubscriber } from 'svelte/reactivity'
import { moment } from './format'
import type { Maybe } from './types/document'

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

const clock = new Clock()

/** The server's time, by which the page counts: the browser's clock may be wrong. */
export class ServerClock {
  /** How far the server's clock is ahead of the browser's, ms. */
  offset = $state(0)

  /** Unix ms, redrawn every second. */
  get now(): number {
    return clock.second + this.offset
  }

  /** Unix ms, redrawn five times a second. */
  get preciseNow(): number {
    return clock.fifth + this.offset
  }

  /** Milliseconds since `at`; null when unknown. Never negative. */
  since(at: Maybe<string>): number | null {
    return at == null ? null : Math.max(0, this.now - moment(at))
  }

  /** Milliseconds until `at`; null when unknown. Never negative. */
  until(at: Maybe<string>): number | null {
    return at == null ? null : Math.max(0, moment(at) - this.now)
  }
}

/** That of the server this page came from. */
export const serverClock = new ServerClock()
