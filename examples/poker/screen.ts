/** The table as text. */
import type { TableView } from './table.js'

const SUITS: Record<string, string> = { c: '♣', d: '♦', h: '♥', s: '♠' }

function show(cards: readonly string[]): string {
  return cards.map((card) => (card === '??' ? '▒▒' : card[0]! + SUITS[card[1]!]!)).join(' ')
}

export function showTable(table: TableView): string {
  const seats = table.seats.map((seat, index) => {
    if (seat === null) return '   -'
    const mark = index === table.turn ? '>' : ' '
    const button = index === table.button ? '●' : ' '
    const bet = seat.bet > 0 ? `bets ${seat.bet}` : ''
    return ` ${mark}${button}${seat.name.padEnd(20)} ${String(seat.chips).padStart(6)}  ${show(seat.cards).padEnd(5)} ${bet}`.trimEnd()
  })
  const head = `hand ${table.hand}, ${table.phase}   pot ${table.pot}   ${show(table.board)}`.trimEnd()
  return [head, ...seats, ...table.log.map((line) => `   ${line}`), ''].join('\n')
}
