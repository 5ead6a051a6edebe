/** Draws lines over the ones drawn before, in a terminal. */
const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
const CUT_LONG_LINES = '\x1b[?7l'
const WRAP_LONG_LINES = '\x1b[?7h'
const CLEAR_TO_END_OF_LINE = '\x1b[K'
const CLEAR_TO_END_OF_SCREEN = '\x1b[J'

export class Frame {
  #drawn = 0

  draw(lines: string[]): void {
    // A frame that is taller than the terminal would scroll, and could not be drawn over.
    const most = (process.stdout.rows || 24) - 1
    const shown = lines.slice(-most)
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : ''
    const text = shown.map((line) => `${line}${CLEAR_TO_END_OF_LINE}\n`).join('')
    process.stdout.write(HIDE_CURSOR + CUT_LONG_LINES + up + text + CLEAR_TO_END_OF_SCREEN + WRAP_LONG_LINES)
    this.#drawn = shown.length
  }

  /** The last frame stays; what is printed next goes below it. */
  close(): void {
    process.stdout.write(SHOW_CURSOR)
  }
}
