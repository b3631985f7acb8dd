/** Who is signed in, and what they may do. */
import { setBase, to, within } from './base'
import type { Boot, Maybe, Me, Role } from './types/document'

const rank: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 }

class Session {
  me = $state.raw<Maybe<Me>>(null)

  /** What this server does at all; what it does not is not on the page. */
  #fleet = $state(true)
  #acts = $state(true)

  boot(boot: Maybe<Boot>) {
    this.me = boot?.me
    setBase(boot?.base ?? '')
    this.#fleet = boot?.fleet ?? true
    this.#acts = boot?.acts ?? true
  }

  /** May act on jobs and queues. */
  get canAct(): boolean {
    return this.#acts && this.#atLeast('operator')
  }

  /** May give agents work and pause them. */
  get canEnqueue(): boolean {
    return this.#fleet && this.#atLeast('operator')
  }

  /** May manage users and tokens. */
  get canAdminister(): boolean {
    return this.#atLeast('admin')
  }

  #atLeast(role: Role): boolean {
    return this.me != null && rank[this.me.role] >= rank[role]
  }
}

export const session = new Session()

/** To the login page, and back here afterwards. */
export function toLogin() {
  const here = (within(location.pathname) ?? '/') + location.search
  location.assign(to(`/login?next=${encodeURIComponent(here)}`))
}
