import { tokens } from './exact'

/** Pretty JSON as a list of coloured pieces. Values that the server has redacted have a kind of their own. */
export interface Piece {
  kind: 'key' | 'string' | 'number' | 'word' | 'redacted' | 'mark'
  text: string
}

const redactedText = /^"(?:\[redacted\]|\*{3,}|\[hidden\])"$/i

/** Arguments and results stay text: their numbers have digits that would be lost as numbers of JavaScript. */
export function prettyPieces(json: string): Piece[] {
  const pieces: Piece[] = []
  const all = tokens(json)
  let depth = 0
  const add = (kind: Piece['kind'], text: string) => {
    const last = pieces.at(-1)
    if (kind === 'mark' && last?.kind === 'mark') last.text += text
    else pieces.push({ kind, text })
  }
  const line = () => add('mark', `\n${'  '.repeat(depth)}`)
  all.forEach(({ text }, i) => {
    const before = all[i - 1]?.text
    const after = all[i + 1]?.text
    if (text === '{' || text === '[') {
      depth++
      add('mark', text)
      if (after !== '}' && after !== ']') line()
    } else if (text === '}' || text === ']') {
      depth--
      if (before !== '{' && before !== '[') line()
      add('mark', text)
    } else if (text === ',') {
      add('mark', text)
      line()
    } else if (text === ':') add('mark', ': ')
    else if (text[0] === '"') {
      const plain = JSON.stringify(JSON.parse(text))
      add(after === ':' ? 'key' : redactedText.test(plain) ? 'redacted' : 'string', plain)
    } else add(/^[tfn]/.test(text) ? 'word' : 'number', text)
  })
  return pieces
}

/** JSON over several lines, as prettyPieces colours it. */
export function prettyText(json: string): string {
  return prettyPieces(json)
    .map(({ text }) => text)
    .join('')
}

/** Whether a text is a JSON object or list, not just text. */
export function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
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

/** Whether a JSON text holds something blacked out: such arguments cannot be sent again as they are. */
export function hasRedacted(json: string): boolean {
  return json.includes('[redacted]') || json.includes('[nested deeper than ')
}
