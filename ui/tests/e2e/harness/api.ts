/** The API as a program outside the browser sees it. */
import { get as httpGet, type IncomingHttpHeaders } from 'node:http'
import { gunzipSync } from 'node:zlib'

export interface Job {
  id: string
  agent: string
  state: string
  attempt: number
}

export interface Run {
  id: string
  attempt: number
  outcome: string
  progress: number | null
  exit_code: number | null
}

export interface JobDetail extends Job {
  runs: Run[]
  result: string | null
  log_run_id: string | null
}

/** An answer as it came over the wire, not decoded. */
export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  bytes: Buffer
}

export class Api {
  constructor(
    readonly url: string,
    private readonly headers: Record<string, string> = {},
  ) {}

  get<T>(path: string): Promise<T> {
    return this.#json<T>('GET', path)
  }

  post<T = unknown>(path: string, body?: unknown): Promise<T> {
    return this.#json<T>('POST', path, body)
  }

  delete(path: string): Promise<unknown> {
    return this.#json('DELETE', path)
  }

  enqueue(agent: string, args: object = {}, more: object = {}): Promise<Job> {
    return this.post<Job>('/api/jobs', { agent, args, ...more })
  }

  job(id: string): Promise<JobDetail> {
    return this.get<JobDetail>(`/api/jobs/${id}`)
  }

  /** The status alone, whatever it is. */
  async status(method: string, path: string, body?: unknown): Promise<number> {
    const response = await this.send(method, path, body)
    await response.arrayBuffer()
    return response.status
  }

  send(method: string, path: string, body?: unknown): Promise<Response> {
    return fetch(this.url + path, {
      method,
      redirect: 'manual',
      headers: body === undefined ? this.headers : { ...this.headers, 'Content-Type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    })
  }

  /** GETs with these headers and decodes nothing. */
  raw(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpGet(this.url + path, { headers: { ...this.headers, ...headers } }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({ status: response.statusCode!, headers: response.headers, bytes: Buffer.concat(chunks) }),
        )
        response.on('error', reject)
      })
      request.on('error', reject)
    })
  }

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.send(method, path, body)
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return (text ? JSON.parse(text) : null) as T
  }
}

/** The JSON of an answer, gunzipped when it is. */
export function jsonOf<T>(answer: Answer): T {
  const plain = answer.headers['content-encoding'] === 'gzip' ? gunzipSync(answer.bytes) : answer.bytes
  return JSON.parse(plain.toString()) as T
}
