import type { JsonAttribute } from './value-matching.ts'

/** A member of a JSON object, as it is written. */
interface Member {
  readonly name: string
  readonly bytes: Buffer
}

/**
 * A row with more attributes, in the order of their tags (PS3.18 F.2.2). What it has stays byte for
 * byte: numbers that JavaScript can't represent, and values of any depth.
 *
 * @param row an object in valid JSON
 */
export function withAttributes(row: Buffer, added: Readonly<Record<string, JsonAttribute>>): Buffer {
  const own = membersOf(row).filter(({ name }) => !Object.hasOwn(added, name))
  const more = Object.entries(added).map(([name, attribute]) => ({
    name,
    bytes: Buffer.from(`"${name}":${JSON.stringify(attribute)}`),
  }))
  const members = [...own, ...more].sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0))
  const pieces = members.flatMap(({ bytes }, at) => [at === 0 ? '{' : ',', bytes])
  return Buffer.concat([...pieces, members.length === 0 ? '{}' : '}'].map((piece) => Buffer.from(piece)))
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c

function membersOf(row: Buffer): Member[] {
  const members: Member[] = []
  let depth = 0
  let inString = false
  let start = 1
  const end = (at: number) => {
    const member = memberIn(row.subarray(start, at))
    if (member) members.push(member)
    start = at + 1
  }
  for (let at = 0; at < row.length; at += 1) {
    const byte = row[at]
    if (inString) {
      if (byte === backslash) at += 1
      else if (byte === quote) inString = false
    } else if (byte === quote) inString = true
    else if (byte === 0x7b || byte === 0x5b) depth += 1
    else if (byte === 0x7d || byte === 0x5d) depth -= 1
    else if (byte === comma && depth === 1) end(at)
  }
  end(row.lastIndexOf(0x7d))
  return members
}

/** Null for what is blank. */
function memberIn(bytes: Buffer): Member | null {
  const [name] = /"(?:[^"\\]|\\.)*"/.exec(bytes.toString()) ?? []
  return name === undefined ? null : { name: JSON.parse(name) as string, bytes }
}
