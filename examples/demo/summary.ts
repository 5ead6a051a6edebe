/** The verdict, in a few lines. */
import type { SnapshotResult } from 'forkstore'
import { count, milliseconds, paint } from './format.js'
import type { Evidence, Latency, Verdict } from './model.js'

interface Findings {
  promisedWrites: number
  evidence: Omit<Evidence, 'promisedWrites'>
  /** What the load saw go wrong. */
  problems: string[]
  duringSnapshots: Latency | undefined
  otherwise: Latency | undefined
  snapshots: { result: SnapshotResult }[]
  verdict: Verdict
  twinPauseMs: number[]
}

export function summarize(findings: Findings): { lines: string[]; problems: string[] } {
  const { verdict, evidence, snapshots, twinPauseMs } = findings
  const answered = evidence.acknowledgedNumbers.length
  const pause = Math.max(...snapshots.map(({ result }) => result.pauseMs))
  const twinPause = Math.max(...twinPauseMs)
  const ratio = twinPause / pause
  const latency = (what: Latency | undefined): string =>
    what
      ? `p50 ${milliseconds(what.p50Ms)}, p99 ${milliseconds(what.p99Ms)}, p99.9 ${milliseconds(what.p999Ms)}`
      : 'none'
  const line = (title: string, text: string): string => `  ${title.padEnd(15)}${text}`

  const lines = [
    line(
      'came back',
      `${count(verdict.entries)} packages as they were after write ${count(verdict.writes)}, opened in ${milliseconds(verdict.openMs)}`,
    ),
    line(
      'promised',
      `all of the ${count(findings.promisedWrites)} writes before the last completed snapshot`,
    ),
    line(
      'not back',
      `${count(verdict.lostWrites)} of ${count(answered)} answered writes: those after the snapshot`,
    ),
    line('latency', `${latency(findings.duringSnapshots)} while a snapshot ran`),
    line('', `${latency(findings.otherwise)} otherwise`),
    line(
      'pause',
      paint(
        'bold',
        `${milliseconds(pause)}: the longest of ${snapshots.length} snapshots, engine ${verdict.engine}`,
      ),
    ),
    line(
      '',
      `${milliseconds(twinPause)}: engine js with the same records${ratio >= 2 ? `, ${count(Math.round(ratio))} times as long` : ''}`,
    ),
  ]
  return { lines, problems: [...findings.problems, ...verdict.problems] }
}
