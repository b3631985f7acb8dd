/** The first screen goes before everything else: what it does without is made, and loaded, once it is painted. */
class FirstScreen {
  painted = $state(false)

  /** Resolves once it is painted. A tab that nobody looks at paints nothing: after a while without. */
  readonly whenPainted = new Promise<void>((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve)) // after the frame that begins then
    setTimeout(resolve, 500)
  }).then(() => void (this.painted = true))

  /** What is loaded then; null: not yet. */
  later = $state.raw<typeof import('./later') | null>(null)
  readonly whenLoaded = this.whenPainted.then(() => import('./later')).then((module) => (this.later = module))

  /** Of a list that scrolls within its box, the rows that the first screen has room for. */
  rows<T>(all: T[], room: number): T[] {
    return this.painted ? all : all.slice(0, Math.max(0, room))
  }
}

export const firstScreen = new FirstScreen()
