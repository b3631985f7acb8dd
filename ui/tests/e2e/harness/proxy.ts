/** An HTTP proxy before the server whose event stream can be cut, as a strict company proxy or a bad line does. */
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Proxy {
  url: string
  /** Cuts the streams that are open and refuses new ones. */
  cutStreams(): void
  /** Lets streams through again. */
  mend(): void
  close(): Promise<void>
}

/** With slowPages each HTML page comes in pieces of 200 bytes, 25 ms apart. */
export async function startProxy(target: string, { slowPages = false } = {}): Promise<Proxy> {
  const to = new URL(target)
  const streams = new Set<ServerResponse>()
  let cut = false

  const server = createServer((incoming, outgoing) => {
    const isStream = incoming.url!.startsWith('/api/admin/stream')
    if (isStream && cut) return void outgoing.destroy()
    const { method, headers, url } = incoming
    const upstream = request({ host: to.hostname, port: to.port, method, headers, path: url }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.on('error', () => outgoing.destroy())
      if (slowPages && answer.headers['content-type']?.startsWith('text/html'))
        return void Readable.from(inPieces(answer)).pipe(outgoing)
      if (!isStream) return void answer.pipe(outgoing)
      streams.add(outgoing)
      outgoing.flushHeaders()
      answer.on('data', (chunk) => outgoing.write(chunk))
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
      cut = true
      streams.forEach((stream) => stream.destroy())
    },
    mend() {
      cut = false
    },
    async close() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

async function* inPieces(whole: AsyncIterable<Buffer>) {
  for await (const chunk of whole)
    for (let at = 0; at < chunk.length; at += 200) {
      yield chunk.subarray(at, at + 200)
      await sleep(25)
    }
}
