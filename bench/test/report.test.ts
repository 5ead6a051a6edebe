import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import puppeteer, { type Browser, type Page } from 'puppeteer-core'
import { htmlOf } from '../report/html.js'
import { picturesOf } from '../report/pictures.js'
import { sectionsOf } from '../report/sections.js'
import { fixture, hostileName } from './fixture.js'
import { contrastOfText, outsideOf, overlaps } from './looks.js'

/** Debian's chromium, or what CHROMIUM names. */
const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const million = 1_000_000
/** For a machine that is busy with something else. */
const patienceMs = 120_000
const folder = mkdtempSync(join(tmpdir(), 'forkstore-report-'))
let browser: Browser
let html: string

before(async () => {
  // Its own sandbox does not work for root, and only our own page is opened.
  html = await htmlOf(fixture, million)
  browser = await puppeteer.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu'],
    timeout: patienceMs,
  })
})

after(async () => {
  await browser?.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Opened {
  page: Page
  /** What the console and uncaught errors said. */
  complaints: string[]
  /** What was asked for, beside the page. */
  requests: string[]
}

async function open(name: string, content: string, width: number, scheme: string): Promise<Opened> {
  const file = join(folder, name)
  writeFileSync(file, content)
  const page = await browser.newPage()
  page.setDefaultTimeout(patienceMs)
  const complaints: string[] = []
  const requests: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => requests.push(request.url()))
  await page.setViewport({ width, height: 800 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  const url = pathToFileURL(file).href
  await page.goto(url)
  return { page, complaints, requests: requests.filter((one) => one !== url && !one.startsWith('data:')) }
}

for (const width of [360, 1280]) {
  for (const scheme of ['light', 'dark']) {
    test(`the page at ${width} pixels, ${scheme}`, async () => {
      const { page, complaints, requests } = await open('report.html', html, width, scheme)
      assert.deepEqual(complaints, [])
      assert.deepEqual(requests, [])

      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
      assert.equal(background, scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(13, 17, 23)')
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width)
      assert.deepEqual(await page.evaluate(outsideOf, '.table'), [])
      const contrast = await page.evaluate(contrastOfText)
      assert.ok(contrast.texts > 100, `${contrast.texts} texts were looked at`)
      assert.ok(contrast.least >= 4.5, `${contrast.least}: ${contrast.of}`)
      await page.close()
    })
  }

  test(`charts at ${width} pixels: marks, labels that neither overlap nor are cut, letters of some size`, async () => {
    const { page } = await open('report.html', html, width, 'light')
    const charts = await page.$$eval('svg', (all) =>
      all
        .filter((svg) => svg.checkVisibility())
        .map((svg) => ({
          role: svg.getAttribute('role'),
          label: svg.getAttribute('aria-label') ?? '',
          marks: svg.querySelectorAll('.mark-line path, .mark-rect path, .mark-symbol path').length,
          scale: svg.getBoundingClientRect().width / svg.viewBox.baseVal.width,
        })),
    )
    // pause 3, request 3, size 1, operations 6, commit 1, memory 2, open 1, replay 2
    assert.equal(charts.length, 19)
    for (const chart of charts) {
      assert.equal(chart.role, 'img')
      assert.ok(chart.label.length > 20, chart.label)
      assert.ok(chart.marks > 0, `${chart.label}: no marks`)
      assert.ok(chart.scale >= 0.99, `${chart.label}: ${chart.scale} of its size`)
    }
    assert.deepEqual(await page.evaluate(overlaps), [])
    await page.close()
  })
}

test('every section is there, with date, versions and machine, and what is text stays text', async () => {
  const { page } = await open('report.html', html, 360, 'light')
  const ids = await page.$$eval('section', (all) => all.map((one) => one.id))
  assert.deepEqual(ids, ['latency', 'size', 'throughput', 'memory', 'restart', 'targets', 'figures'])
  const links = await page.$$eval('nav a', (all) => all.map((one) => one.getAttribute('href')))
  assert.deepEqual(
    links,
    ids.map((id) => `#${id}`),
  )
  const groups = sectionsOf(million).flatMap((section) => section.groups).length
  const origins = await page.$$eval('.origin', (all) => all.map((one) => one.textContent ?? ''))
  assert.equal(origins.length, groups + fixture.size)
  for (const origin of origins) {
    for (const part of ['2026-01-02', 'Node 20.19.0', 'linux-x64', '2 cores', '8 GiB', 'Redis 7.0.15']) {
      assert.ok(origin.includes(part), `${part} is missing: ${origin}`)
    }
  }
  assert.equal((await page.$$('.missing')).length, 0)
  assert.equal((await page.$$('.table table')).length, 1 + fixture.size)
  assert.equal((await page.$$('img, script, iframe, link[rel=stylesheet]')).length, 0)
  const names = await page.$$eval('td, th', (all) => all.map((one) => one.textContent))
  assert.ok(names.includes(hostileName))
  const twice = await page.$$eval('[id]', (all) => all.length - new Set(all.map((one) => one.id)).size)
  assert.equal(twice, 0)
  await page.close()
})

test('what was not measured is a line that says how to', async () => {
  const { page, complaints } = await open('empty.html', await htmlOf(new Map(), million), 360, 'light')
  assert.deepEqual(complaints, [])
  const lines = await page.$$eval('.missing code', (all) => all.map((one) => one.textContent))
  const groups = sectionsOf(million).flatMap((section) => section.groups)
  assert.deepEqual(lines, [...groups.map((one) => `npm run bench -- ${one.benchmark}`), 'npm run bench'])
  assert.equal((await page.$$('svg')).length, 0)
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360)
  await page.close()
})

test("README's pictures are whole, in both themes", async () => {
  const pictures = await picturesOf(fixture, million)
  assert.deepEqual(
    [...pictures.keys()],
    ['latency', 'size', 'throughput', 'commits', 'memory', 'restart'].flatMap((name) => [
      `${name}-light.svg`,
      `${name}-dark.svg`,
    ]),
  )
  for (const [name, svg] of pictures) assert.ok(!svg.includes('var('), `${name} refers to a page`)
  const body = `<!doctype html><html lang="en"><body>${[...pictures.values()].join('')}</body></html>`
  const { page, complaints, requests } = await open('pictures.html', body, 600, 'light')
  assert.deepEqual([...complaints, ...requests], [])
  assert.deepEqual(await page.evaluate(overlaps), [])
  assert.ok((await page.$$('svg svg')).length > pictures.size)
  await page.close()
  assert.deepEqual([...(await picturesOf(new Map(), million)).keys()], [])
})
