import { expect, test } from 'vitest'
import { asCli, asCurl } from './commands'

const job = { agent: 'hash', args_json: JSON.stringify({ path: "it's $HOME `x`" }), priority: 1 }

test('a shell takes the arguments as they are', () => {
  expect(asCli(job)).toBe(`agentos enqueue hash --args '{"path":"it'\\''s $HOME \`x\`"}'`)
  expect(asCli({ ...job, args_json: '{}', priority: 3 })).toBe(`agentos enqueue hash --args '{}' --priority 3`)
})

test('curl asks for the token in the environment', () => {
  const text = asCurl({ ...job, args_json: '{"a":3544790567247868102}' }, 'http://127.0.0.1:8321')
  expect(text).toContain('curl http://127.0.0.1:8321/api/jobs')
  expect(text).toContain('Bearer $AGENTOS_TOKEN')
  expect(text).toContain(`-d '{"agent":"hash","args":{"a":3544790567247868102},"priority":1}'`)
})
