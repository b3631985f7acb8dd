/** Names for the generated shapes of the JSON API. `npm run generate` makes openapi.d.ts from ../openapi.yaml. */
import type { components } from './openapi'

type Schemas = components['schemas']
type AsText<T, Name extends keyof T> = Omit<T, Name> & Record<Name, string>

/** JSON of users stays text: see lib/exact.ts. */
export type AgentConfig = AsText<Schemas['AgentSpec'], 'args'>
export type AuditEntry = Schemas['AuditEntry']
export type JobDetail = AsText<Schemas['JobDetail'], 'args_json'>
export type JobPage = Schemas['JobList']
export type ErrorPage = Schemas['JobErrors']
export type LogPage = Schemas['RunLog']
export type NewJob = AsText<Schemas['NewJob'], 'args'>
export type Problem = Schemas['Problem']
export type Run = Schemas['Run']
export type RunPage = Schemas['RunList']
export type Text = Schemas['LongText']
export type Token = Schemas['Token']
export type User = Schemas['User']
