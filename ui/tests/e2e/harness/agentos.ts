/** A running `agentos serve` or `agentos demo`, with a data folder of its own. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Api } from './api'
import { writeFleet } from './fleet'

const binary = resolve(process.env.AGENTOS_BINARY ?? '../agentos')

export type Role = 'viewer' | 'operator' | 'admin'

/** Of every account that the tests use; the first admin is called "admin", the others as their role. */
export const password = 'correct horse battery staple'

export interface Options {
  command?: 'serve' | 'demo'
  flags?: string[]
}

const running = new Set<ChildProcess>()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

export class AgentOS {
  url = ''
  /** Everything it printed. */
  output = ''
  #child!: ChildProcess
  #tokens = new Map<Role, string>()

  private constructor(
    readonly folder: string,
    private readonly options: Options,
  ) {}

  static async start(options: Options = {}): Promise<AgentOS> {
    if (!existsSync(binary)) throw new Error(`${binary} is missing: run make build, or make e2e`)
    const folder = await mkdtemp(join(tmpdir(), 'agentos-e2e-'))
    const server = new AgentOS(folder, options)
    await writeFleet(folder)
    await server.launch('127.0.0.1:0')
    await server.#firstAdmin()
    return server
  }

  get database() {
    return join(this.folder, 'data', 'agentos.db')
  }

  get config() {
    return join(this.folder, 'agentos.yaml')
  }

  get pid() {
    return this.#child.pid!
  }

  /** An API client with a token of the role. */
  api(role: Role = 'admin'): Api {
    let token = this.#tokens.get(role)
    if (!token) {
      token = this.cli(['token', 'create', `e2e-${role}`, '--role', role]).trim()
      this.#tokens.set(role, token)
    }
    return new Api(this.url, { Authorization: `Bearer ${token}` })
  }

  /** Runs another command of the binary on the same data, and gives its standard output. */
  cli(args: string[], input = ''): string {
    const { status, stdout, stderr } = spawnSync(binary, args, { env: this.#env(), input, encoding: 'utf8' })
    if (status !== 0) throw new Error(`agentos ${args.join(' ')} exited with ${status}: ${stderr}`)
    return stdout
  }

  /** Makes the account of a role; its name is the role's. */
  addUser(role: 'viewer' | 'operator') {
    this.cli(['user', 'add', role, '--role', role], `${password}\n`)
  }

  /** Stops it in its tracks: sockets stay open, nothing answers. */
  suspend() {
    this.#child.kill('SIGSTOP')
  }

  kill(signal: NodeJS.Signals = 'SIGKILL') {
    return this.#end(signal)
  }

  /** Starts it again on the same data and the same port. */
  async restart() {
    await this.#end('SIGKILL')
    await this.launch(new URL(this.url).host)
  }

  async close() {
    await this.#end('SIGTERM')
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  private async launch(listen: string) {
    const { command = 'serve', flags = [] } = this.options
    const child = spawn(binary, [command, '--listen', listen, ...flags], { env: this.#env(), cwd: this.folder })
    this.#child = child
    running.add(child)
    child.once('exit', () => running.delete(child))
    this.url = await new Promise<string>((found, failed) => {
      const take = (chunk: Buffer) => {
        this.output += chunk
        const address = /dashboard +(http:\S+)\n/.exec(this.output.slice(-2000))
        if (address) found(address[1]!)
      }
      child.stdout!.on('data', take)
      child.stderr!.on('data', take)
      child.once('error', failed)
      child.once('exit', (code) => failed(new Error(`agentos exited with ${code}: ${this.output}`)))
    })
  }

  /** The first account is made beside the start: hashing a password takes a tenth of a second. */
  async #firstAdmin() {
    for (const deadline = Date.now() + 40_000; Date.now() < deadline;) {
      if (/^admin /m.test(this.cli(['user', 'list']))) return
    }
    throw new Error(`the first admin was not made: ${this.output}`)
  }

  async #end(signal: NodeJS.Signals) {
    const child = this.#child
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    child.kill('SIGCONT')
    const killTimeout = setTimeout(() => child.kill('SIGKILL'), 12_000)
    await gone
    clearTimeout(killTimeout)
  }

  #env() {
    return {
      PATH: process.env.PATH,
      HOME: this.folder,
      AGENTOS_CONFIG: this.config,
      AGENTOS_DATA: join(this.folder, 'data'),
      AGENTOS_ADMIN_PASSWORD: password,
      AGENTOS_DRAIN: '500ms',
    }
  }
}
