import { open, type Store } from 'forkstore'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newPackage, type Evidence, type Package } from '../examples/demo/model.js'
import { MOST_NAMES, packageName } from '../examples/demo/names.js'
import { judge } from '../examples/demo/oracle.js'

// The demo's verdict is worth something only if it can be "no": every kind of damage is tried here.

const ENTRIES = 200

describe('packageName', () => {
  it('gives another name for every number', () => {
    const names = new Set<string>()
    for (let index = 0; index < 300_000; index++) names.add(packageName(index))
    for (let index = MOST_NAMES - 1000; index < MOST_NAMES; index++) names.add(packageName(index))
    expect(names.size).toBe(301_000)
  })

  it('looks like the name of a package', () => {
    for (let index = 0; index < MOST_NAMES; index += 15_013) {
      expect(packageName(index)).toMatch(/^(@[a-z]+\/)?[a-z]+(-[a-z]+){2,3}$/)
    }
  })
})

describe('the demo’s oracle', () => {
  let store: Store
  let packages: ReturnType<typeof mapOfPackages>
  const mapOfPackages = () => store.map<string, Package>('packages')
  const totals = () => store.map<string, { count: number }>('totals')
  const top = () => store.map<string, { downloads: number }>('top')

  // Twelve answered writes of which the last two came after the snapshot; package 20 - n is downloaded by write n.
  const written = Array.from({ length: 12 }, (_, index) => 20 - (index + 1))
  const evidence = (change: Partial<Evidence> = {}): Evidence => ({
    entries: ENTRIES,
    acknowledgedIndexes: Uint32Array.from(written),
    acknowledgedNumbers: Uint32Array.from(written, (_, index) => index + 1),
    unansweredIndexes: new Uint32Array(0),
    promisedWrites: 9,
    ...change,
  })

  beforeEach(async () => {
    store = await open({ engine: 'js' })
    packages = mapOfPackages()
    for (let index = 0; index < ENTRIES; index++) packages.set(packageName(index), newPackage(index))
    for (const index of written.slice(0, 10)) {
      const downloads = packages.increment(packageName(index), 'downloads')
      top().set(packageName(index), { downloads })
    }
    totals().set('downloads', { count: 10 })
  })
  afterEach(() => store.close())

  it('accepts the state after any write from the promised one on', () => {
    expect(judge(store, evidence())).toEqual({ entries: ENTRIES, writes: 10, lostWrites: 2, problems: [] })
    expect(judge(store, evidence({ promisedWrites: 10 })).problems).toEqual([])
  })

  it('accepts an executed write that was never answered', () => {
    const without4 = (array: Uint32Array) => array.filter((_, index) => index !== 3)
    const { acknowledgedIndexes, acknowledgedNumbers } = evidence()
    const partial = {
      acknowledgedIndexes: without4(acknowledgedIndexes),
      acknowledgedNumbers: without4(acknowledgedNumbers),
    }
    expect(
      judge(store, evidence({ ...partial, unansweredIndexes: Uint32Array.of(16, 99) })).problems,
    ).toEqual([])
    expect(
      judge(store, evidence({ ...partial, unansweredIndexes: Uint32Array.of(99) })).problems,
    ).not.toEqual([])
  })

  const damages: Record<string, () => void> = {
    'a package is missing': () => packages.delete(packageName(50)),
    'the last package is missing': () => packages.delete(packageName(ENTRIES - 1)),
    'a package was never written': () => packages.set('stranger', newPackage(ENTRIES)),
    'a package lies under another name': () => {
      packages.delete(packageName(ENTRIES - 1))
      packages.set('stranger', newPackage(ENTRIES - 1))
    },
    'the order is another': () => {
      packages.delete(packageName(0))
      packages.set(packageName(0), newPackage(0))
    },
    'a field is wrong': () => packages.patch(packageName(100), { license: 'none' }),
    'a field is of another type': () => packages.patch(packageName(100), { rank: '100' as never }),
    'a field is new': () => packages.set(packageName(100), { ...newPackage(100), more: 1 } as Package),
    'a download is lost': () => packages.patch(packageName(15), { downloads: 0 }),
    'a download was never made': () => packages.increment(packageName(15), 'downloads'),
    'a download that nobody made': () => packages.increment(packageName(150), 'downloads'),
    'a download moved to another package': () => {
      packages.patch(packageName(15), { downloads: 0 })
      packages.increment(packageName(150), 'downloads')
    },
    'downloads are no number': () => packages.patch(packageName(150), { downloads: NaN }),
    'the count is older than the packages': () => totals().set('downloads', { count: 9 }),
    'the count is newer than the packages': () => totals().set('downloads', { count: 11 }),
    'the count is newer than anything sent': () => totals().set('downloads', { count: 13 }),
    'the count is gone': () => totals().clear(),
    'there is a second count': () => totals().set('more', { count: 0 }),
    'the top list has another number': () => top().set(packageName(written[0]!), { downloads: 2 }),
    'the top list is shorter': () => top().delete(packageName(written[0]!)),
    'the top list is older': () => packages.increment(packageName(19), 'downloads'),
    'there is another map': () => store.map('more').set('key', 1),
  }
  it.each(Object.keys(damages))('refuses when %s', (damage) => {
    damages[damage]!()
    expect(judge(store, evidence()).problems).not.toEqual([])
  })

  it('refuses a state older than the promised one', () => {
    expect(judge(store, evidence({ promisedWrites: 11 })).problems).toHaveLength(1)
  })

  it('refuses two writes with one number', () => {
    const acknowledgedNumbers = evidence().acknowledgedNumbers
    acknowledgedNumbers[11] = 11
    expect(judge(store, evidence({ acknowledgedNumbers })).problems).toHaveLength(1)
  })
})
