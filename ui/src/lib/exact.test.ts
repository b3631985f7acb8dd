import { describe, expect, test } from 'vitest'
import { memberText, parseJson } from './exact'

describe('numbers that JavaScript cannot hold', () => {
  test('stay as they were written, those that it can hold are numbers', () => {
    expect(parseJson('{"id":9007199254740993,"order":-9007199254740993,"n":[9007199254740991,1.5]}')).toEqual({
      id: '9007199254740993',
      order: '-9007199254740993',
      n: [9007199254740991, 1.5],
    })
  })

  test('are left alone in texts and fractions', () => {
    const text = '{"a":"x: 9007199254740993, \\"9007199254740993\\"","b":0.12345678901234567}'
    expect(parseJson(text)).toEqual(JSON.parse(text))
  })
})

describe('the text of a member', () => {
  test('is what was written: digits, order, duplicates, spaces', () => {
    const args = '{"b":3544790567247868102, "a":1.10,"b":1e400}'
    expect(memberText(`{"id":1,"args_json":${args} ,"x":{"args_json":2}}`, 'args_json')).toBe(args)
    expect(memberText('{"args_json":12345678901234567890}', 'args_json')).toBe('12345678901234567890')
    expect(memberText('{"a":[{"args_json":1}],"args_json":"}, ]"}', 'args_json')).toBe('"}, ]"')
    expect(memberText('{"a":{"args_json":1},"b":"args_json"}', 'args_json')).toBeUndefined()
  })
})
