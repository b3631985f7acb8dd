import { expect, test } from 'vitest'
import { reasons } from './conditions'
import type { System } from './types/document'

test('each reason has the link of its condition', () => {
  const conditions = {
    gave_up: { order: 1, code: 'gave_up', severity: 'degraded', params: {}, link: '/jobs?state=discarded&ended=1h' },
    disk: { order: 0, code: 'disk', severity: 'degraded', params: {} },
  }
  expect(reasons({ reasons: ['disk is full', '2 jobs gave up'], conditions } as unknown as System)).toEqual([
    { text: 'disk is full', href: undefined },
    { text: '2 jobs gave up', href: '/jobs?state=discarded&ended=1h' },
  ])
})

test('a server of an earlier version gives reasons alone', () => {
  expect(reasons({ reasons: ['disk is full'] } as System)).toEqual([{ text: 'disk is full', href: undefined }])
})
