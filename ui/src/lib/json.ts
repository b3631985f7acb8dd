/** Pretty JSON as a list of coloured pieces. Values the server has blacked out are told apart from ordinary text. */
export interface Piece {
  kind: 'key' | 'string' | 'number' | 'word' | 'redacted' | 'mark'
  text: string
}

const piece = /("(?:\\.|[^"\\])*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/g
const redactedText = /^"(?:\[redacted\]|\*{3,}|\[hidden\])"$/i

export function prettyPieces(value: unknown): Piece[] {
  const text = JSON.stringify(value, null, 2) ?? 'null'
  const pieces: Piece[] = []
  let last = 0
  for (const match of text.matchAll(piece)) {
    if (match.index > last) pieces.push({ kind: 'mark', text: text.slice(last, match.index) })
    last = match.index + match[0].length
    const [whole, string, colon] = match
    if (string && colon) pieces.push({ kind: 'key', text: string }, { kind: 'mark', text: colon })
    else if (string) pieces.push({ kind: redactedText.test(string) ? 'redacted' : 'string', text: string })
    else pieces.push({ kind: /^[tfn]/.test(whole) ? 'word' : 'number', text: whole })
  }
  if (last < text.length) pieces.push({ kind: 'mark', text: text.slice(last) })
  return pieces
}

/** The value of a text that is JSON (an object or a list); undefined when it is just text. */
export function parsedJson(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** What is wrong with a text that must be a JSON object; null when nothing is. Empty text counts as {}. */
export function argsProblem(text: string): string | null {
  if (text.trim() === '') return null
  try {
    const value = JSON.parse(text) as unknown
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return null
    return 'Arguments are one JSON object, such as {"path": "docs"}.'
  } catch (error) {
    return `Not JSON: ${(error as Error).message}`
  }
}

/** Whether a value holds something blacked out: such arguments cannot be sent again as they are. */
export function hasRedacted(value: unknown): boolean {
  return prettyPieces(value).some(({ kind }) => kind === 'redacted')
}
