interface Enqueued {
  agent: string
  args_json: string
  priority: number | null
}

/** A job as a command to type: for a shell, a runbook, a bug report. */
export function asCli(job: Enqueued): string {
  const priority = (job.priority ?? 1) === 1 ? '' : ` --priority ${job.priority}`
  return `agentos enqueue ${job.agent} --args ${shellQuote(job.args_json)}${priority}`
}

export function asCurl(job: Enqueued, origin: string): string {
  const body = `{"agent":${JSON.stringify(job.agent)},"args":${job.args_json},"priority":${job.priority ?? 1}}`
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
