/** A job as a command to type: for a shell, a runbook, a bug report. */
export function asCli(job: { agent: string; args_json: unknown; priority: number }): string {
  const priority = job.priority === 1 ? '' : ` --priority ${job.priority}`
  return `agentos enqueue ${job.agent} --args ${shellQuote(JSON.stringify(job.args_json ?? {}))}${priority}`
}

export function asCurl(job: { agent: string; args_json: unknown; priority: number }, origin: string): string {
  const body = JSON.stringify({ agent: job.agent, args: job.args_json ?? {}, priority: job.priority })
  return [
    `curl ${shellQuote(`${origin}/api/jobs`)}`,
    `-H "Authorization: Bearer $AGENTOS_TOKEN"`,
    `-H 'Content-Type: application/json'`,
    `-d ${shellQuote(body)}`,
  ].join(' \\\n  ')
}

function shellQuote(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
