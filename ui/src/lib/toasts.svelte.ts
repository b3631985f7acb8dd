/** Short messages about what an action did. */
export interface Toast {
  id: number
  tone: 'ok' | 'bad'
  text: string
}

const shownMs = { ok: 4_000, bad: 12_000 }

class Toasts {
  items = $state.raw<Toast[]>([])
  #next = 1

  ok = (text: string) => this.#add('ok', text)

  bad = (text: string) => this.#add('bad', text)

  dismiss(id: number) {
    this.items = this.items.filter((toast) => toast.id !== id)
  }

  #add(tone: Toast['tone'], text: string) {
    const id = this.#next++
    this.items = [...this.items.slice(-3), { id, tone, text }]
    setTimeout(() => this.dismiss(id), shownMs[tone])
  }
}

export const toasts = new Toasts()
