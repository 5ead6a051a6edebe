import { join } from 'node:path'
import { disk, fillDurably, readChunks, syncDirectory, writeFully } from './disk.js'
import { headerLine, logName, type LogHeader } from './log-file.js'

/**
 * A file of the log that this opening of the store has made: none that it found is ever written to or synced. For after a
 * sync that failed the system may show, and for good, what never came to the disk, and a later sync of the same file
 * may say that all is well. For the same reason a file in which a call has failed is not to be used any more.
 */
export class LogWriter {
  readonly #file: number
  #position: number

  private constructor(file: number, position: number) {
    this.#file = file
    this.#position = position
  }

  /** A new file, which is on disk, with its header and its name. */
  static begin(path: string, header: LogHeader): LogWriter {
    const bytes = Buffer.from(headerLine(header))
    const file = disk.openSync(join(path, logName(header.generation)), 'wx')
    try {
      writeFully(file, bytes, 0)
      disk.fdatasyncSync(file)
      syncDirectory(path)
    } catch (error) {
      disk.closeSync(file)
      throw error
    }
    return new LogWriter(file, bytes.length)
  }

  /** Puts a new file with the first `bytes` of an old one in its place; it is on disk then. */
  static renew(path: string, generation: number, bytes: number): LogWriter {
    const name = join(path, logName(generation))
    const temporary = `${name}.tmp`
    const file = disk.openSync(temporary, 'wx')
    try {
      fillDurably(file, readChunks(name, bytes))
      disk.renameSync(temporary, name)
      syncDirectory(path)
    } catch (error) {
      disk.closeSync(file)
      throw error
    }
    return new LogWriter(file, bytes)
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

  close(): void {
    disk.closeSync(this.#file)
  }
}
