/** Users, tokens and the audit log: for the settings alone, so that other pages need not load it. */
import { ask } from './api'
import type { AuditEntry, Token, User } from './types/api'
import type { Role } from './types/document'

export async function listTokens(signal?: AbortSignal): Promise<Token[]> {
  return (await ask<{ tokens: Token[] }>('GET', '/api/tokens', { signal })).tokens
}
/** The secret is in the answer, this once. */
export function createToken(name: string, role: Role, service: boolean): Promise<{ token: string }> {
  return ask('POST', '/api/tokens', { body: { name, role, service } })
}
export function revokeToken(id: string): Promise<void> {
  return ask('DELETE', `/api/tokens/${encodeURIComponent(id)}`)
}
/** One's own: the other sessions end. */
export function changePassword(present: string, password: string): Promise<void> {
  return ask('POST', '/api/me/password', { body: { present, password } })
}
export async function listUsers(signal?: AbortSignal): Promise<User[]> {
  return (await ask<{ users: User[] }>('GET', '/api/users', { signal })).users
}
export function createUser(name: string, password: string, role: Role): Promise<User> {
  return ask('POST', '/api/users', { body: { name, password, role } })
}
export function setUserPassword(name: string, password: string): Promise<void> {
  return ask('PUT', `/api/users/${encodeURIComponent(name)}/password`, { body: { password } })
}
export function setUserRole(name: string, role: Role): Promise<void> {
  return ask('PUT', `/api/users/${encodeURIComponent(name)}/role`, { body: { role } })
}
export function deleteUser(name: string): Promise<void> {
  return ask('DELETE', `/api/users/${encodeURIComponent(name)}`)
}
export type AuditClass = AuditEntry['class']
export async function listAudit(of: AuditClass | '', signal?: AbortSignal): Promise<AuditEntry[]> {
  const path = `/api/audit?limit=100${of && `&class=${of}`}`
  return (await ask<{ entries: AuditEntry[] }>('GET', path, { signal })).entries
}
