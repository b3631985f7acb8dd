/** JSON without loss: a number of JavaScript holds 53 bits, those of the server and of its users hold more. */
const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s"{}[\],:]+/g
const longInteger = /^-?\d{16,}$/

/** JSON.parse, but an integer that a number cannot hold stays text: an id is shown and sent as the server wrote it. */
export function parseJson<T>(text: string): T {
  const exact = /\d{16}/.test(text)
    ? text.replace(token, (t) => (longInteger.test(t) && !Number.isSafeInteger(Number(t)) ? `"${t}"` : t))
    : text
  return JSON.parse(exact) as T
}

/** The parts of a JSON text: strings with their quotes, punctuation, and everything else, with where each begins. */
export function tokens(text: string): { text: string; at: number }[] {
  return [...text.matchAll(token)].map(({ 0: text, index: at }) => ({ text, at }))
}

/** A member's value in the text of a JSON object, as it is written there; undefined when there is none. */
export function memberText(object: string, name: string): string | undefined {
  let depth = 0
  let key: string | null = null
  let from = -1
  for (const { text, at } of tokens(object)) {
    if (depth === 1 && from < 0) {
      if (text[0] === '"') key = JSON.parse(text) as string
      else if (text === ':' && key === name) from = at + 1
    } else if (depth === 1 && (text === ',' || text === '}')) {
      return object.slice(from, at).trim()
    }
    if (text === '{' || text === '[') depth++
    else if (text === '}' || text === ']') depth--
  }
  return undefined
}
