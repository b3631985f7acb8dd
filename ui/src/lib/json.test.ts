import { describe, expect, test } from 'vitest'
import { argsProblem, hasRedacted, isJson, prettyPieces, prettyText } from './json'

const kinds = (value: unknown) =>
  Object.fromEntries(prettyPieces(JSON.stringify(value)).map(({ kind, text }) => [text, kind]))
const redacted = (value: unknown) => hasRedacted(JSON.stringify(value))

test('the pieces are the pretty text, nothing lost', () => {
  const value = { path: 'a "quoted" \\ text: {1}', n: [-1.5e3, true, null, [], [[{ a: [] }]]], 'k:ey': {} }
  expect(prettyText(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2))
  expect(prettyText('"\\u00e9"')).toBe('"é"')
})

test('every digit and every member stays as it was written', () => {
  const json = '{"id":3544790567247868102,"n":[1.10,1e400,-0,123456789012345678901234567890.5],"b":1,"2":2,"b":3}'
  expect(prettyText(json).replaceAll(/\s/g, '')).toBe(json)
})

test('keys, strings, numbers and words have a kind each', () => {
  expect(kinds({ path: 'docs', depth: 2, deep: true })).toMatchObject({
    '"path"': 'key',
    '"docs"': 'string',
    '2': 'number',
    true: 'word',
  })
})

describe('what the server blacked out', () => {
  test('differs from text', () => {
    expect(kinds({ api_key: '[redacted]', note: 'not [redacted] here' })).toMatchObject({
      '"[redacted]"': 'redacted',
      '"not [redacted] here"': 'string',
    })
  })

  test('keeps arguments from being sent again', () => {
    expect(redacted({ a: [{ token: '[redacted]' }] })).toBe(true)
    expect(redacted({ a: 'b' })).toBe(false)
  })

  test('as a key is only a key', () => {
    expect(redacted({ url: 'postgres://u:[redacted]@h' })).toBe(true)
  })
})

test('only objects and lists are read as JSON results', () => {
  expect(isJson(' {"a":1}\n')).toBe(true)
  expect(isJson('[1e400]')).toBe(true)
  expect(isJson('42')).toBe(false)
  expect(isJson('{not json')).toBe(false)
})

test('arguments are one object', () => {
  expect(argsProblem('')).toBeNull()
  expect(argsProblem('{"a": 1}')).toBeNull()
  expect(argsProblem('[1]')).toMatch(/one JSON object/)
  expect(argsProblem('null')).toMatch(/one JSON object/)
  expect(argsProblem('{')).toMatch(/^Not JSON/)
})
