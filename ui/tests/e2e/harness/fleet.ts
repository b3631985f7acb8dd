/** The fleet of the tests: agents that do one thing each, at once, and wait only for files that the test makes. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Waits for the file GATE/1, GATE/2, GATE/3, reporting a step after each; GATE/end lets it end. */
const stepper = `#!/bin/sh
wait_for() { while [ ! -e "$AGENTOS_ARG_GATE/$1" ]; do sleep 0.03; done; }
printf '{"level":"info","msg":"pid %s","progress":0}\\n' $$ >&2
for step in 1 2 3; do
  wait_for $step
  printf '{"level":"warn","msg":"step %s of 3","progress":0.%s}\\n' $step $((step * 25)) >&2
done
wait_for end
echo "the result of the stepper"
`

/** Sleeps with a grandchild of its own until it is ended, and names both. */
const sleeper = `#!/bin/sh
sleep 600 &
echo "pid $$ and $!" >&2
wait
`

const flaky = `#!/bin/sh
if [ "$AGENTOS_ATTEMPT" -lt 2 ]; then
  echo "the first attempt fails on purpose" >&2
  exit 3
fi
echo "the second attempt succeeds"
`

/** Fails until the file that its argument MENDED names is there. */
const broken = `#!/bin/sh
if [ -n "$AGENTOS_ARG_MENDED" ] && [ -e "$AGENTOS_ARG_MENDED" ]; then
  echo "mended"
  exit 0
fi
echo "cannot open the pod bay doors" >&2
exit 7
`

const parent = `#!/bin/sh
echo '{"msg":"asks for a job","enqueue":{"agent":"echo","args":{"from":"parent"}}}' >&2
`

const scripts = { stepper, sleeper, flaky, broken, parent }

export const agentNames = ['echo', 'stepper', 'sleeper', 'flaky', 'broken', 'parent', 'solo']

export const fleetYAML = `agents:
  echo:
    description: Gives back its arguments
    command: [cat]
    concurrency: 4
  stepper:
    description: Reports progress step by step
    command: [sh, stepper.sh]
    concurrency: 4
  sleeper:
    description: Sleeps until it is ended
    command: [sh, sleeper.sh]
    concurrency: 4
  flaky:
    description: Fails once, then succeeds
    command: [sh, flaky.sh]
    backoff: {initial: 200ms}
  broken:
    description: Fails until it is mended
    command: [sh, broken.sh]
    max_attempts: 1
  parent:
    description: Asks for a job of another agent
    command: [sh, parent.sh]
  solo:
    description: Runs one job at a time
    command: [cat]
`

/** Writes agentos.yaml and the programs into the folder. */
export async function writeFleet(folder: string) {
  await mkdir(folder, { recursive: true })
  for (const [name, text] of Object.entries(scripts)) await writeFile(join(folder, `${name}.sh`), text)
  await writeFile(join(folder, 'agentos.yaml'), fleetYAML)
}
