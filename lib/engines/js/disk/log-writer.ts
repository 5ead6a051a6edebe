import { join } from 'node:path'
import { ForkstoreError } from '../../../base/errors.js'
import { disk, fillDurably, isNamed, readChunks, syncDirectory, writeFully } from './disk.js'
import { headerLine, logName, type LogHeader } from './log-file.js'

/**
 * A file of the log that is written to. It is always one that this opening of the store has made; files that
 * it found are never written to or synced. The reason: after a sync has failed, the page cache may show data
 * that never reached the disk, and a later sync of the same file may succeed all the same. So a file in which
 * a call has failed is not used any more either.
 */
export class LogWriter {
  readonly #path: string
  readonly #file: number
  /** The system tells an error of the disk once for each opening: this one is for syncs beside others. */
  readonly #beside: number
  #position: number

  /** Takes the descriptor over, also when it fails. */
  private constructor(path: string, file: number, position: number) {
    this.#path = path
    this.#file = file
    this.#position = position
    try {
      this.#beside = disk.openSync(path, 'r')
    } catch (error) {
      disk.closeSync(file)
      throw error
    }
  }

  /** A new file, which is on disk, with its header and its name. */
  static begin(path: string, header: LogHeader): LogWriter {
    const bytes = Buffer.from(headerLine(header))
    const name = join(path, logName(header.generation))
    const file = disk.openSync(name, 'wx')
    try {
      writeFully(file, bytes, 0)
      disk.fdatasyncSync(file)
      syncDirectory(path)
    } catch (error) {
      disk.closeSync(file)
      throw error
    }
    return new LogWriter(name, file, bytes.length)
  }

  /**
   * Puts a new file with the first `bytes` of an old one in its place; it is on disk then. `assertOurs`
   * throws where the directory is somebody else's, whose file must stay.
   */
  static renew(path: string, generation: number, bytes: number, assertOurs: () => void): LogWriter {
    const name = join(path, logName(generation))
    const temporary = `${name}.tmp`
    const file = disk.openSync(temporary, 'wx')
    try {
      fillDurably(file, readChunks(name, bytes))
      assertOurs()
      disk.renameSync(temporary, name)
      syncDirectory(path)
    } catch (error) {
      disk.closeSync(file)
      throw error
    }
    return new LogWriter(name, file, bytes)
  }

  append(bytes: Buffer): void {
    writeFully(this.#file, bytes, this.#position)
    this.#position += bytes.length
  }

  datasync(): Promise<void> {
    return disk.fdatasync(this.#file)
  }

  datasyncSync(): void {
    disk.fdatasyncSync(this.#file)
  }

  /** Reports every error of the disk, even when an asynchronous sync that is under way is told of it too. */
  datasyncBeside(): void {
    disk.fdatasyncSync(this.#beside)
  }

  /**
   * Errors: ERR_FORKSTORE_IO where nobody who looks for the file would find it: what it holds is as good as gone.
   */
  assertNamed(): void {
    if (isNamed(this.#path, this.#file)) return
    throw new ForkstoreError('ERR_FORKSTORE_IO', `${this.#path} has been removed`)
  }

  close(): void {
    disk.closeSync(this.#beside)
    disk.closeSync(this.#file)
  }
}
