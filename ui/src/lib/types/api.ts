/** Names for the generated shapes of the JSON API. `npm run generate` makes openapi.d.ts from ../openapi.yaml. */
import type { components } from './openapi'

type Schemas = components['schemas']

export type AgentConfig = Schemas['AgentSpec']
export type AuditEntry = Schemas['AuditEntry']
export type JobDetail = Schemas['JobDetail']
export type JobPage = Schemas['JobList']
export type LogPage = Schemas['RunLog']
export type NewJob = Schemas['NewJob']
export type Problem = Schemas['Problem']
export type Run = Schemas['Run']
export type Token = Schemas['Token']
export type User = Schemas['User']
