import { Worker } from 'node:worker_threads'

/** Runs in the worker: sleeps on a futex, which is exact to some 50 us where a timer of the loop is not to 1 ms. */
const source = `
  const { workerData, parentPort } = require('node:worker_threads')
  const cell = new Int32Array(new SharedArrayBuffer(4))
  const start = performance.now()
  for (let beat = 1; ; beat++) {
    const wait = start + beat * workerData - performance.now()
    if (wait > 0) Atomics.wait(cell, 0, 0, wait)
    parentPort.postMessage(0)
  }
`

/** Calls `beat` on this event loop every `intervalMs`, without keeping a core busy as a spinning loop would. */
export class Metronome {
  readonly #worker: Worker

  constructor(intervalMs: number, beat: () => void) {
    this.#worker = new Worker(source, { eval: true, workerData: intervalMs })
    this.#worker.on('message', beat)
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }
}
