/**
 * Decides whether a store came back right, from what its clients saw and nothing else.
 *
 * The server numbers its writes 1, 2, 3, ... and keeps the last number in the store itself, so the store
 * says which state it claims to be: the one after write `n`. That claim is then checked completely:
 *
 *   - n is at least what had been executed when the last completed snapshot began;
 *   - there is every package that was loaded, in order, and nothing else;
 *   - every package has exactly the downloads that writes 1..n gave it;
 *   - the list of the most downloaded agrees with the packages.
 *
 * A write that was sent and never answered has no number. It may have been executed: each number in 1..n
 * that no answer bears must be one of those, and their downloads must be found at their packages.
 */
import type { Store } from 'forkstore'
import {
  newPackage,
  PACKAGES,
  TOP,
  TOP_SIZE,
  TOTALS,
  type Evidence,
  type Package,
  type Verdict,
} from './model.js'
import { packageName } from './names.js'

const PROBLEMS_TOLD = 10

type Judgement = Pick<Verdict, 'entries' | 'writes' | 'lostWrites' | 'problems'>

export function judge(store: Pick<Store, 'map' | 'maps' | 'stats'>, evidence: Evidence): Judgement {
  const problems: string[] = []
  const tell = (problem: string): void => {
    if (problems.length < PROBLEMS_TOLD) problems.push(problem)
  }

  const names = [...store.maps()]
    .map(({ name }) => name)
    .sort()
    .join(', ')
  const expectedNames = [PACKAGES, TOP, TOTALS].sort().join(', ')
  if (names !== expectedNames) tell(`the maps are ${names}, not ${expectedNames}`)

  const packages = store.map<string, Package>(PACKAGES)
  const totals = store.map<string, { count: number }>(TOTALS)
  const writes = totals.get('downloads')?.count ?? 0
  if (totals.size !== 1) tell(`map totals has ${totals.size} entries, not 1`)
  if (writes < evidence.promisedWrites) {
    tell(`${writes} writes came back; the last snapshot began after ${evidence.promisedWrites}`)
  }

  const { expected, unaccounted, lostWrites } = replay(writes, evidence, tell)
  const surplus = comparePackages(packages, expected, evidence, tell)
  if (surplus !== unaccounted) {
    tell(
      `${unaccounted} of the writes 1..${writes} were never answered, but ${surplus} such downloads are there`,
    )
  }
  compareTop(store.map<string, { downloads: number }>(TOP), packages, tell)
  return { entries: packages.size, writes, lostWrites, problems }
}

/** The downloads that the answered writes among 1..`writes` gave each package. */
function replay(
  writes: number,
  evidence: Evidence,
  tell: (problem: string) => void,
): { expected: Uint32Array; unaccounted: number; lostWrites: number } {
  const expected = new Uint32Array(evidence.entries)
  const numbersSeen = new Set<number>()
  let lostWrites = 0
  let accounted = 0
  evidence.acknowledgedNumbers.forEach((number, position) => {
    if (number < 1 || numbersSeen.has(number)) tell(`two writes were answered with the number ${number}`)
    numbersSeen.add(number)
    if (number > writes) {
      lostWrites++
      return
    }
    accounted++
    expected[evidence.acknowledgedIndexes[position]!]!++
  })
  return { expected, unaccounted: writes - accounted, lostWrites }
}

/** Compares every record; returns the downloads beyond the expected ones that unanswered writes explain. */
function comparePackages(
  packages: Iterable<[string, Package]> & { size: number },
  expected: Uint32Array,
  evidence: Evidence,
  tell: (problem: string) => void,
): number {
  if (packages.size !== evidence.entries) tell(`${packages.size} packages came back, not ${evidence.entries}`)
  const unanswered = new Map<number, number>()
  for (const index of evidence.unansweredIndexes) unanswered.set(index, (unanswered.get(index) ?? 0) + 1)

  let surplus = 0
  let index = 0
  for (const [name, record] of packages) {
    if (index >= evidence.entries) {
      tell(`${name} was never written`)
      break
    }
    if (name !== packageName(index)) {
      tell(`entry ${index} is ${name}, not ${packageName(index)}`)
      break
    }
    const extra = record.downloads - expected[index]!
    if (!(extra >= 0 && extra <= (unanswered.get(index) ?? 0))) {
      tell(`${name} has ${record.downloads} downloads, not ${expected[index]}`)
    }
    surplus += extra
    const loaded: Package = { ...newPackage(index), downloads: record.downloads }
    if (JSON.stringify(record) !== JSON.stringify(loaded)) {
      tell(`${name} is ${JSON.stringify(record)}, not ${JSON.stringify(loaded)}`)
    }
    index++
  }
  if (index < evidence.entries) tell(`only ${index} packages were found by going through the map`)
  return surplus
}

function compareTop(
  top: Iterable<[string, { downloads: number }]>,
  packages: Iterable<[string, Package]> & { get(name: string): Package | undefined },
  tell: (problem: string) => void,
): void {
  const listed: number[] = []
  for (const [name, { downloads }] of top) {
    listed.push(downloads)
    if (packages.get(name)?.downloads !== downloads)
      tell(`${name} has ${downloads} downloads in the top list only`)
  }
  let greatest: number[] = []
  for (const [, { downloads }] of packages) {
    if (downloads <= (greatest[TOP_SIZE - 1] ?? 0)) continue
    greatest.push(downloads)
    greatest.sort((a, b) => b - a)
    greatest = greatest.slice(0, TOP_SIZE)
  }
  listed.sort((a, b) => b - a)
  if (listed.join() !== greatest.join()) tell(`the top list has ${listed.join()}, not ${greatest.join()}`)
}
