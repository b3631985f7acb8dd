/** An HTTP proxy before the server whose event stream can be cut, as a strict company proxy or a bad line does. */
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Proxy {
  url: string
  /** Cuts the streams that are open and refuses new ones. */
  cutStreams(): void
  /** Keeps the streams open but lets nothing more through them. */
  muteStreams(): void
  /** Lets streams through again. */
  mend(): void
  close(): Promise<void>
}

export async function startProxy(target: string): Promise<Proxy> {
  const to = new URL(target)
  const streams = new Set<ServerResponse>()
  let state: 'open' | 'cut' | 'mute' = 'open'

  const server = createServer((incoming, outgoing) => {
    const isStream = incoming.url!.startsWith('/api/admin/stream')
    if (isStream && state === 'cut') return void outgoing.destroy()
    const { method, headers, url } = incoming
    const upstream = request({ host: to.hostname, port: to.port, method, headers, path: url }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.on('error', () => outgoing.destroy())
      if (!isStream) return void answer.pipe(outgoing)
      streams.add(outgoing)
      outgoing.flushHeaders()
      answer.on('data', (chunk) => state === 'open' && outgoing.write(chunk))
      answer.on('end', () => outgoing.end())
    })
    upstream.on('error', () => outgoing.destroy())
    outgoing.on('close', () => {
      streams.delete(outgoing)
      upstream.destroy()
    })
    incoming.pipe(upstream)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cutStreams() {
      state = 'cut'
      streams.forEach((stream) => stream.destroy())
    },
    muteStreams() {
      state = 'mute'
    },
    mend() {
      state = 'open'
    },
    async close() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}
