import type { SoakResult } from './soak.ts'

export interface Verdict {
  readonly what: string
  readonly found: string
  readonly held: boolean
}

const MiB = 1024 ** 2
/**
 * Heap and buffers after the end may be so much above those after the warm-up. A leak of 1 KiB per
 * request would be more.
 */
const maxGrowth = 4 * MiB
/**
 * The same for resident memory, in the second half: the allocators keep what they once needed, so
 * that it rises for some minutes towards its level. What leaks goes on rising.
 */
const maxResidentGrowth = 24 * MiB

/** What a soak must prove. */
export function verdictsOf({
  audit,
  duplicates,
  failures,
  before,
  midway,
  after,
  violations,
}: SoakResult): readonly Verdict[] {
  const { stored, lost, deleted, undeleted, wrong, unconfirmed, unconfirmedInStore } = audit
  const wrongResponses = violations.filter((sentence) => !sentence.includes(' Store: ')).length
  const growth = after.heap + after.buffers - before.heap - before.buffers
  const residentGrowth = after.resident - midway.resident
  return [
    verdict('Told stored: in the store', `${stored}, lost ${lost}`, lost === 0 && stored > 0),
    verdict('Told deleted: not in the store', `${deleted}, left ${undeleted}`, undeleted === 0 && deleted > 0),
    verdict('Not told: in the store or not', `${unconfirmedInStore}, ${unconfirmed}`, true),
    verdict(
      'Sent again and refused: found identical, or refused to the client as well',
      `${duplicates.identical}, ${duplicates.refused}`,
      duplicates.identical > 0,
    ),
    verdict('Failed with their batch', String(failures), true),
    verdict('Files with other bytes than were sent', String(wrong), wrong === 0),
    verdict(
      'Responses that looked complete but were wrong, conflicts, requests without end',
      String(wrongResponses),
      wrongResponses === 0,
    ),
    verdict(
      'Sockets and other descriptors left open',
      String(openOf(after) - openOf(before)),
      openOf(after) <= openOf(before),
    ),
    verdict(
      'What keeps Node running',
      same(before.resources, after.resources) ? 'the same' : 'more or less',
      same(before.resources, after.resources),
    ),
    verdict('Growth of heap and buffers', mebibytes(growth), growth <= maxGrowth),
    verdict(
      'Growth of resident memory in the second half',
      mebibytes(residentGrowth),
      residentGrowth <= maxResidentGrowth,
    ),
  ]
}

function verdict(what: string, found: string, held: boolean): Verdict {
  return { what, found, held }
}

function openOf({ sockets, otherDescriptors }: SoakResult['before']): number {
  return sockets + otherDescriptors
}

function same(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): boolean {
  const kinds = new Set([...Object.keys(one), ...Object.keys(other)])
  return [...kinds].every((kind) => one[kind] === other[kind])
}

function mebibytes(bytes: number): string {
  return `${(bytes / MiB).toFixed(1)} MiB`
}
