import { describe, expect, test } from 'vitest'
import { argsProblem, hasRedacted, parsedJson, prettyPieces } from './json'

const text = (value: unknown) =>
  prettyPieces(value)
    .map((piece) => piece.text)
    .join('')
const kinds = (value: unknown) => Object.fromEntries(prettyPieces(value).map(({ kind, text }) => [text, kind]))

test('the pieces are the pretty text, nothing lost', () => {
  const value = { path: 'a "quoted" \\ text: {1}', n: [-1.5e3, true, null], 'k:ey': {} }
  expect(text(value)).toBe(JSON.stringify(value, null, 2))
})

test('keys, strings, numbers and words are told apart', () => {
  expect(kinds({ path: 'docs', depth: 2, deep: true })).toMatchObject({
    '"path"': 'key',
    '"docs"': 'string',
    '2': 'number',
    true: 'word',
  })
})

describe('what the server blacked out', () => {
  test('is told apart from text', () => {
    expect(kinds({ api_key: '[redacted]', note: 'not [redacted] here' })).toMatchObject({
      '"[redacted]"': 'redacted',
      '"not [redacted] here"': 'string',
    })
  })

  test('keeps arguments from being sent again', () => {
    expect(hasRedacted({ a: [{ token: '[redacted]' }] })).toBe(true)
    expect(hasRedacted({ a: 'b' })).toBe(false)
  })

  test('as a key is only a key', () => {
    expect(hasRedacted({ '[redacted]': 1 })).toBe(false)
  })
})

test('only objects and lists are read as JSON results', () => {
  expect(parsedJson(' {"a":1}\n')).toEqual({ a: 1 })
  expect(parsedJson('[1]')).toEqual([1])
  expect(parsedJson('42')).toBeUndefined()
  expect(parsedJson('{not json')).toBeUndefined()
})

test('arguments are one object', () => {
  expect(argsProblem('')).toBeNull()
  expect(argsProblem('{"a": 1}')).toBeNull()
  expect(argsProblem('[1]')).toMatch(/one JSON object/)
  expect(argsProblem('null')).toMatch(/one JSON object/)
  expect(argsProblem('{')).toMatch(/^Not JSON/)
})
