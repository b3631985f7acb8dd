/** Who is signed in, and what they may do. */
import type { Maybe, Me, Role } from './types/document'

const rank: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 }

class Session {
  me = $state.raw<Maybe<Me>>(null)

  /** May act on jobs, queues and agents. */
  get operates(): boolean {
    return this.#atLeast('operator')
  }

  /** May manage users and tokens. */
  get administers(): boolean {
    return this.#atLeast('admin')
  }

  #atLeast(role: Role): boolean {
    return this.me != null && rank[this.me.role] >= rank[role]
  }
}

export const session = new Session()

/** To the login page, and back here afterwards. */
export function toLogin() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`)
}
