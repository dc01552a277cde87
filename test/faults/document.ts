import { cases, expectedOf } from './cases.ts'
import { clients } from './clients.ts'
import { type Fault, faults, type Outcome } from './faults.ts'
import { anyFailure, seenInOrthanc, statusWords } from './orthanc.ts'
import { type Service, services } from './services.ts'

/** The page docs/faults.md: the matrix with the expected outcomes. */
export function documentText(): string {
  const groups = Object.entries(faults)
  const ofPatient = groups.filter(([, inGroup]) => inGroup.every(({ by }) => !by))
  const sections = ofPatient.map(([group, inGroup]) => `### ${group} …\n\n${patientTable(inGroup)}`)
  return `${introduction}
## A client that waits, or sends slowly

${sections.join('\n\n')}

## A client that leaves, or half-closes

${leaving}
${impatientTable()}

${inBatches}
${inBatchesTable()}

## What Orthanc's user sees

${orthanc}
${orthancTable()}
`
}

const introduction = `# Failures and what clients get

\`npm run faults\` writes this page from the table in \`test/faults/faults.ts\`: do not edit it. For
each failure of Google, of the network or of the token issuer, it lists the response that a client
such as Orthanc gets, and the number of attempts to send the request to Google. Each of the
${cases.length} cells is a test (\`npm test -- test/faults/matrix.test.ts\`) with its own proxy and real sockets
on both sides. The test also checks that no connection, no timer and no slot remains in use
afterwards.

Rows are failures, columns are the requested services: store (STOW-RS), search (QIDO-RS), retrieve
(WADO-RS) and DELETE. Google deletes a study in an operation that continues after its response, but
an instance at once.

| in a cell | meaning |
| --- | --- |
| \`200 ×1\` | Success: the client gets the whole response after one attempt. |
| \`200 ×2\` | The same after a second attempt: the client notices nothing but the delay. |
| \`403 from Google ×1\` | Google's own response, whole. |
| \`502 upstream-reset ×2\` | The proxy's own response, a problem document with this code ([errors.md](errors.md)), after two attempts. |
| \`cut ×1\` | The response had begun when it broke off. The proxy resets the client's connection, so that a part of a study never looks complete. |
| \`202 ×1\` | Google is still deleting, and the proxy didn't see the end. |
| \`200 of another kind ×1\` | Google's side returned a success that isn't DICOMweb. The proxy passes it on unchanged. |
| … \`, stored\` | In the end, all instances of the upload are in the store. After a failure the client can't know that: **search before you send again.** |
| … \`, deleted\` | In the end, the study or instance is deleted. |
| … \`, 1 stored, 1 failed\` | What Google's response says about each instance; the proxy's log line counts them. |
| … \`; slow: …\` | What a client gets that sends slowly, if that differs. Its body wasn't sent completely when the failure came, so that the proxy could safely retry. |

The tests allow 3 seconds for retries (\`Retry.TotalTimeout\`), which is enough for one retry; the
default of 45 seconds allows up to five. The rules are in [adr/0014](adr/0014-retries.md). Uploads
here are small enough to be buffered (\`Retry.BufferPerRequest\`); the proxy sends a larger one once.
In [batches](configuration.md#uploads-in-batches), an upload of any size can be retried, and what
Google has stored without saying so is found: see the rows of \`ParallelStow\`. There, the numbers
are attempts to send the batch.
`

const leaving = `If a client closes its connection in the middle of its upload, or before or during the response, the
outcome is \`left\`: the proxy aborts the request to Google at once, and Google never gets the end of
an incomplete upload. A client that has sent everything and then closes only its sending side counts
as gone, too: its connection is \`closed\` without a response, unless there was one already. The proxy
retries neither.

Over HTTP/2, a client that waits gets what the tables above say, and one that resets its stream has
the outcome \`left\`. \`cut\` is then RST_STREAM with an error, and the connection stays.
`

function patientTable(inGroup: readonly Fault[]): string {
  const columns = services.filter((service) => inGroup.some(({ expected }) => expected[service] !== undefined))
  return tableOf(
    ['', ...columns],
    inGroup.map((fault) => [`… ${fault.name}`, ...columns.map((service) => patientCell(fault, service))]),
  )
}

function patientCell(fault: Fault, service: Service): string {
  const stays = fault.expected[service]
  if (stays === undefined) return ''
  const slow = fault.slowly?.[service]
  return slow === undefined ? stays : `${stays}; slow: ${slow}`
}

const inBatches = `In [batches](configuration.md#uploads-in-batches), the first instance of an upload is on its way to
Google before the client has sent the second. A batch that was begun is completed, for a client that
leaves as well; after a failure it isn't sent again then. What Google has stored, the proxy's log
line and audit trail count, also for a client that has left. In the middle of
such an upload, a batch gets …
`

function inBatchesTable(): string {
  const rows = Object.values(faults)
    .flat()
    .flatMap(({ name, by }) => (by ? [{ name: `… ${name}`, by }] : []))
  const columns = clients.filter((client) => rows.some(({ by }) => by[client]))
  return tableOf(
    ['', ...columns],
    rows.map(({ name, by }) => [name, ...columns.map((client) => by[client]?.outcome ?? '')]),
  )
}

const orthanc = `Orthanc tells its users little; the reason is in the proxy's log. These are the texts of Orthanc
1.10 (DICOMweb plugin 1.7) in a job's description or in the response of its REST interface.
\`test/e2e/faults.test.ts\` runs a real Orthanc through all cells of the first part, except those that
depend on timing, and checks what is in the stores afterwards. An Orthanc whose own timeout expires
(\`Timeout\`, \`HttpTimeout\`) is a client that leaves.

Orthanc reads only the status and headers of the response to a DELETE: \`200 of another kind\` counts
as a success, and \`cut\` may do so.
`

/** The responses for which Orthanc has its own texts, and all others. */
function orthancTable(): string {
  const outcomes = ['200, 202', ...Object.keys(statusWords).map((status) => `${status}`), '200 of another kind']
  const columns: readonly Service[] = ['STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE of an instance']
  const rows = outcomes.map((outcome) => [outcome, ...columns.map((service) => seenInOrthanc(service, outcome) ?? '')])
  const others = ['all others, and `cut`', ...columns.map(() => anyFailure)]
  return tableOf(['', 'STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE'], [...rows, others])
}

/** Groups failures with the same outcomes; the largest group becomes "all others". */
function impatientTable(): string {
  const same = new Map<string, string[]>()
  for (const [group, inGroup] of Object.entries(faults)) {
    for (const fault of inGroup.filter(({ clients, by }) => !clients && !by)) {
      const key = ['leaves', 'half-closes'].map((client) => together(fault, client)).join(' | ')
      same.set(key, [...(same.get(key) ?? []), `${group} … ${fault.name}`])
    }
  }
  const [[others] = [''], ...rows] = [...same].sort(([, one], [, other]) => other.length - one.length)
  const listed = rows.map(([outcomes, names]) => [names.join('<br>'), outcomes])
  return tableOf(['', 'leaves', 'half-closes'], [...listed, ['all others', others]])
}

/** The outcome that most services share, then the others. */
function together(fault: Fault, client: string): string {
  const ofClient = cases.filter((testCase) => testCase.fault === fault && testCase.client === client)
  const services = new Map<Outcome, Service[]>()
  for (const testCase of ofClient) {
    const outcome = expectedOf(testCase)
    services.set(outcome, [...(services.get(outcome) ?? []), testCase.service])
  }
  const [[most] = [''], ...others] = [...services].sort(([, one], [, other]) => other.length - one.length)
  return [most, ...others.map(([outcome, some]) => `${some.join(', ')}: ${outcome}`)].join('; ')
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (columns: readonly string[]) => `| ${columns.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
