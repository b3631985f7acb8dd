/**
 * Applies an RFC 7396 merge patch without touching the target: what the patch does not change keeps its identity, so
 * that only the parts of the page that really changed are drawn again. A null in the patch removes the key.
 */
export function mergePatch<T>(target: T, patch: unknown): T {
  if (!isObject(patch)) return patch as T
  const before: Record<string, unknown> = isObject(target) ? target : {}
  let after: Record<string, unknown> | undefined = isObject(target) ? undefined : {}
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) {
      if (key in before) delete (after ??= { ...before })[key]
      continue
    }
    const merged = mergePatch(before[key], change)
    if (merged !== before[key] || !(key in before)) (after ??= { ...before })[key] = merged
  }
  return (after ?? before) as T
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
