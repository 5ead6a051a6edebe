import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { seriesOf, textOf, withoutSeries, withSeries, type PublishedSeries } from '../lib/published-series.js'
import { fixture } from './fixture.js'

test('courses over time come back from the file that they are published in, for their own run only', () => {
  const results = [...fixture.values()]
  const kept = JSON.parse(textOf(seriesOf(results, 1_000_000))) as PublishedSeries[]
  assert.equal(kept.length, 6)
  for (const result of results) {
    const bare = withoutSeries(result)
    assert.ok(bare.rows.every((row) => row.series === undefined))
    const back = withSeries(bare, kept)
    assert.deepEqual(back, result)
    const other = withSeries({ ...bare, date: '2026-02-03T00:00:00.000Z' }, kept)
    assert.ok(other.rows.every((row) => row.series === undefined))
  }
  assert.deepEqual(seriesOf(results, 5_000_000), [])
})

test('--report without names runs nothing and writes the page', async () => {
  const main = fileURLToPath(new URL('../main.js', import.meta.url))
  for (const argument of ['--report', 'report']) {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, argument])
    assert.match(stdout, /^wrote .*report\.html\n$/)
    assert.equal(stderr, '')
  }
})
