import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Test } from 'tap'
import { type SyntheticInstance, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { dataSetStart, uidsOf } from '../../src/server/parallel-stow/instance-head.ts'
import { needs } from '../helpers/peer.ts'

/** Options for `t.test` of a test with {@link instancesOfManySyntaxes}. */
export const needsDcmtk = needs('dcmtk (Debian: apt install dcmtk)', isRunnable('dcmconv'))

/** Explicit, implicit, big endian, deflated, without lengths; RLE, JPEG lossless, JPEG-LS. */
const writers: readonly (readonly string[])[] = [
  ['dcmconv', '+te'],
  ['dcmconv', '+ti'],
  ['dcmconv', '+tb'],
  ['dcmconv', '+td'],
  ['dcmconv', '+te', '-e'],
  ['dcmcrle'],
  ['dcmcjpeg'],
  ['dcmcjpls'],
]
const deflated = '+td'

/** One study of so many instances, each with its own UID, in transfer syntaxes as dcmtk writes them. */
export async function instancesOfManySyntaxes(t: Test, count: number): Promise<readonly SyntheticInstance[]> {
  const folder = await mkdtemp(join(tmpdir(), 'syntaxes-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const templates = [...syntheticStudy({ seed: 77, instances: writers.length, rows: 64, columns: 64 })]
  const copies = Math.ceil(count / writers.length)
  const all = writers.map(async ([program = '', ...options], at) => {
    const template = templates[at]
    if (!template) throw new Error('No template')
    const [from, to] = [join(folder, `${at}.dcm`), join(folder, `${at}-written.dcm`)]
    await writeFile(from, template.bytes)
    await promisify(execFile)(program, [...options, from, to])
    return copiesOf(template, await readFile(to), copies, options.includes(deflated))
  })
  return (await Promise.all(all)).flat().slice(0, count)
}

/** The UID is replaced by others of the same length, wherever it stands. */
function copiesOf(
  template: SyntheticInstance,
  bytes: Buffer,
  copies: number,
  isDeflated: boolean,
): SyntheticInstance[] {
  const { sopInstance } = uidsOf([bytes])
  const start = isDeflated ? dataSetStart([bytes]) : 0
  if (start === null) throw new Error('No data set')
  const content = isDeflated ? inflateRawSync(bytes.subarray(start)) : bytes
  return Array.from({ length: copies }, (_, at) => {
    const sopInstanceUid = sopInstance.slice(0, -4) + String(1000 + at)
    const renamed = (from: Buffer) =>
      Buffer.from(from.toString('latin1').replaceAll(sopInstance, sopInstanceUid), 'latin1')
    const changed = renamed(content)
    const file = isDeflated ? Buffer.concat([renamed(bytes.subarray(0, start)), deflateRawSync(changed)]) : changed
    return { ...template, sopInstanceUid, bytes: file }
  })
}

function isRunnable(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
