import { readFileSync } from 'node:fs'

/** Bytes of memory that a process and its children take together; what they share counts once. */
export function memoryOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return [pid, ...children.map(Number)].reduce((sum, one) => sum + shareOf(one), 0)
}

/** Its proportional share (Pss); 0 for one that has ended meanwhile. */
function shareOf(pid: number): number {
  try {
    const found = /^Pss:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))
    return found === null ? 0 : Number(found[1]) * 1024
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return 0
    throw error
  }
}
