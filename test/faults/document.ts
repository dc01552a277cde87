import { cases, expectedOf } from './cases.ts'
import { type Fault, faults, type Outcome } from './faults.ts'
import { anyFailure, seenInOrthanc, statusWords } from './orthanc.ts'
import { type Service, services } from './services.ts'

/** The page docs/faults.md: the matrix, as the cells expect it. */
export function documentText(): string {
  const groups = Object.entries(faults)
  const sections = groups.map(([group, inGroup]) => `### ${group} …\n\n${patientTable(inGroup)}`)
  return `${introduction}
## A client that stays, or sends slowly

${sections.join('\n\n')}

## A client that leaves, or half-closes

${impatience}
${impatientTable()}

## What Orthanc's user sees

${orthanc}
${orthancTable()}
`
}

const introduction = `# What comes of failures

This page is made by \`npm run faults\` from the table of \`test/faults/faults.ts\`; do not edit it. It says, for each failure of Google, of the way to
it or of the issuer of tokens, what a client such as Orthanc gets, and how often its request was sent to Google. Each of its ${cases.length} cells is a test
(\`npm test -- test/faults/matrix.test.ts\`): a proxy of its own, a real socket on both sides, and afterwards no connection, no timer and no place at Google left.

Its rows are failures, its columns what was asked for: send (STOW-RS), search (QIDO-RS), retrieve (WADO-RS), and DELETE, where a study is deleted by an
operation that goes on behind Google's answer, and an instance is not.

| in a cell | meaning |
| --- | --- |
| \`200 ×1\` | All is well: what was asked for, whole. The request was sent to Google once. |
| \`200 ×2\` | The same after a second try: the client noticed nothing but the wait. |
| \`403 from Google ×1\` | Google's own answer, whole. |
| \`502 upstream-reset ×2\` | The proxy's own answer, a problem document with this code ([errors.md](errors.md)), after two tries. |
| \`cut ×1\` | The answer had begun when it broke. The client's connection is reset, so that no part of a study passes for the whole. |
| \`202 ×1\` | Google goes on deleting, and its end was not seen. |
| \`200 of another kind ×1\` | What came from Google as a success, but is no DICOMweb; it is passed on as it is. |
| … \`, stored\` | All instances of the upload are in the store in the end. Behind a failure it means that the client cannot know: **search before you send again.** |
| … \`, deleted\` | What was to be deleted is gone in the end. |
| … \`, 1 stored, 1 failed\` | What Google's answer says of each instance; the proxy's log line counts them. |
| … \`; slow: …\` | What a client gets that sends slowly, where that differs: the body was not all out when the failure came, so that it could safely be sent again. |

The tests allow 3 seconds for further tries (\`Retry.TotalTimeout\`), enough for one; with the default of 45 it is up to five. The rules behind it: [adr/0014](adr/0014-retries.md).
Uploads here are small enough to be kept (\`Retry.BufferPerRequest\`); a larger one is sent once.
`

const impatience = `A client that closes its connection in the middle of its upload, before an answer or within it, is \`left\`: its request ends at Google at once, and
Google never gets the end of an upload that was not all sent. One that has sent all and closes only its sending side counts as having left, too:
its connection is \`closed\` without an answer, unless there was one already. Neither is sent to Google a second time.
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

const orthanc = `Orthanc tells its users little; the reason is in the proxy's log. These are the words of Orthanc 1.10 (DICOMweb plugin 1.7), in a job's description or in
the answer of its REST interface. \`test/e2e/faults.test.ts\` runs a real one through all cells of the first part, but those where chance decides, and
looks what is in the stores afterwards. An Orthanc whose own time is over (\`Timeout\`, \`HttpTimeout\`) is a client that leaves.

Of the answer to a DELETE Orthanc reads the head only: \`200 of another kind\` is a success to it, and \`cut\` may be one.
`

/** The answers of which Orthanc has words of its own, and all others. */
function orthancTable(): string {
  const outcomes = ['200, 202', ...Object.keys(statusWords).map((status) => `${status}`), '200 of another kind']
  const columns: readonly Service[] = ['STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE of an instance']
  const rows = outcomes.map((outcome) => [outcome, ...columns.map((service) => seenInOrthanc(service, outcome) ?? '')])
  const others = ['all else, and `cut`', ...columns.map(() => anyFailure)]
  return tableOf(['', 'STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE'], [...rows, others])
}

/** The failures that have the same outcome together; the largest set of them is all others. */
function impatientTable(): string {
  const same = new Map<string, string[]>()
  for (const [group, inGroup] of Object.entries(faults)) {
    for (const fault of inGroup) {
      const key = ['leaves', 'half-closes'].map((client) => together(fault, client)).join(' | ')
      same.set(key, [...(same.get(key) ?? []), `${group} … ${fault.name}`])
    }
  }
  const [[others] = [''], ...rows] = [...same].sort(([, one], [, other]) => other.length - one.length)
  const listed = rows.map(([outcomes, names]) => [names.join('<br>'), outcomes])
  return tableOf(['', 'leaves', 'half-closes'], [...listed, ['all others', others]])
}

/** What most services have in common, and then the others. */
function together(fault: Fault, client: string): string {
  const inCell = cases.filter((cell) => cell.fault === fault && cell.client === client)
  const services = new Map<Outcome, Service[]>()
  for (const cell of inCell) services.set(expectedOf(cell), [...(services.get(expectedOf(cell)) ?? []), cell.service])
  const [[most] = [''], ...others] = [...services].sort(([, one], [, other]) => other.length - one.length)
  return [most, ...others.map(([outcome, some]) => `${some.join(', ')}: ${outcome}`)].join('; ')
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (columns: readonly string[]) => `| ${columns.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
