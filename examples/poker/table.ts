/**
 * The rules of the table: each function changes the live tree, and throws in the middle where a move turns out to
 * be wrong. Whoever calls it does so in a transaction, which takes back what was done until then.
 *
 * Texas hold'em, simplified: everybody pays an ante, there are no blinds; nobody may raise above what the poorest
 * player of the hand could call, so that there is always one pot; there are no burned cards; who has no chips
 * left and sits down again gets new ones from the bank.
 */
import { copy, query } from 'forkstore'
import { nameOf, newDeck, strengthOf, type Card } from './hands.js'

export const SEATS = 6
export const ANTE = 10
export const BUY_IN = 1_000
/** All the chips of the world: wherever they are, they always add up to this. */
export const CHIPS = 1_000_000_000
const LOG_LINES = 8

export interface Seat {
  name: string
  chips: number
  /** Put into the pot in this round of betting. */
  bet: number
  cards: Card[]
  /** Has cards and has not folded. */
  playing: boolean
  acted: boolean
}

export interface Table {
  hand: number
  phase: 'waiting' | 'preflop' | 'flop' | 'turn' | 'river'
  seats: (Seat | null)[]
  button: number
  /** The seat that must move; -1: none. */
  turn: number
  pot: number
  board: Card[]
  deck: Card[]
  log: string[]
}

export interface Root {
  bank: number
  /** Chips of those who do not sit at the table. */
  players: Record<string, { token: string; chips: number }>
  table: Table
}

export type Move = { type: 'fold' } | { type: 'call' } | { type: 'raise'; to: number }

/** Told to the player who made it; nothing has changed. */
export class IllegalMove extends Error {}

export function setUp(root: Partial<Root>): void {
  if ('table' in root) return
  const table: Table = {
    hand: 0,
    phase: 'waiting',
    seats: Array.from({ length: SEATS }, () => null),
    button: 0,
    turn: -1,
    pot: 0,
    board: [],
    deck: [],
    log: [],
  }
  Object.assign(root, { bank: CHIPS, players: {}, table })
}

/** A known name needs its token. Sitting down twice is the same as once: a player comes back after a break. */
export function sit(root: Root, name: string, token: string): void {
  const { players, table } = root
  players[name] ??= { token, chips: 0 }
  const player = players[name]
  if (player.token !== token) throw new IllegalMove('this name belongs to somebody else')
  if (seatOf(table, name) >= 0) return
  if (player.chips < ANTE) {
    root.bank -= BUY_IN
    player.chips += BUY_IN
  }
  const free = table.seats.indexOf(null)
  if (free < 0) throw new IllegalMove('the table is full')
  table.seats[free] = { name, chips: player.chips, bet: 0, cards: [], playing: false, acted: false }
  player.chips = 0
  note(table, `${name} sits down`)
}

/** Takes the chips along; a hand that is being played is folded. */
export function leave(root: Root, name: string): void {
  const { players, table } = root
  const index = seatOf(table, name)
  if (index < 0) throw new IllegalMove('you do not sit at the table')
  players[name]!.chips += table.seats[index]!.chips
  table.seats[index] = null
  note(table, `${name} leaves`)
  if (table.turn === index || (table.turn >= 0 && playing(table).length === 1)) goOn(table)
}

export function canDeal({ table }: Root): boolean {
  return table.phase === 'waiting' && seated(table).length >= 2
}

/** Begins a hand; who cannot pay the ante leaves. `random(n)` is an integer from 0 to n - 1. */
export function deal(root: Root, random: (below: number) => number): void {
  const { table } = root
  if (table.phase !== 'waiting') throw new IllegalMove('a hand is being played')
  for (const seat of seated(table)) if (seat.chips < ANTE) leave(root, seat.name)
  if (seated(table).length < 2) return
  table.hand++
  table.board = []
  table.deck = shuffled(newDeck(), random)
  table.button = nextSeat(table, table.button, (seat) => seat !== null)
  for (const seat of seated(table)) {
    pay(table, seat, ANTE)
    seat.cards = [table.deck.pop()!, table.deck.pop()!]
    seat.playing = true
  }
  beginRound(table, 'preflop')
}

export function act(root: Root, name: string, move: Move): void {
  const { table } = root
  const index = seatOf(table, name)
  if (index < 0 || index !== table.turn) throw new IllegalMove('it is not your turn')
  const seat = table.seats[index]!
  const highest = highestBet(table)
  const limit = raiseLimit(table)
  if (move.type === 'fold') {
    seat.playing = false
    seat.cards = []
  } else {
    pay(table, seat, (move.type === 'call' ? highest : move.to) - seat.bet)
    if (move.type === 'raise') {
      if (!Number.isInteger(move.to) || seat.bet <= highest)
        throw new IllegalMove(`a raise is to more than ${highest}`)
      if (seat.bet > limit) throw new IllegalMove(`nobody can raise to more than ${limit}`)
    }
  }
  seat.acted = true
  note(table, `${name}: ${move.type}${move.type === 'raise' ? ` to ${move.to}` : ''}`)
  goOn(table)
}

/** All chips, wherever they are: `CHIPS`, always. */
export function countChips({ bank, players, table }: Root): number {
  const away = query(players).reduce((sum, player) => sum + player.chips, 0)
  return bank + away + table.pot + seated(table).reduce((sum, seat) => sum + seat.chips, 0)
}

export type TableView = Omit<Table, 'deck'> & { raiseLimit: number }

/** What this player may see, as plain data. */
export function viewFor(root: Root, name: string | undefined): TableView {
  const { deck: _deck, ...table } = copy(root.table)
  for (const seat of table.seats) {
    if (seat !== null && seat.name !== name && table.phase !== 'waiting')
      seat.cards = seat.cards.map(() => '??')
  }
  return { ...table, raiseLimit: raiseLimit(root.table) }
}

function note(table: Table, line: string): void {
  if (table.log.push(line) > LOG_LINES) table.log.shift()
}

function seated({ seats }: Table): Seat[] {
  return seats.filter((seat) => seat !== null)
}

function playing(table: Table): Seat[] {
  return seated(table).filter((seat) => seat.playing)
}

function seatOf({ seats }: Table, name: string): number {
  return seats.findIndex((seat) => seat?.name === name)
}

function nextSeat({ seats }: Table, from: number, fits: (seat: Seat | null) => boolean): number {
  for (let step = 1; step <= SEATS; step++) {
    const index = (from + step) % SEATS
    if (fits(seats[index]!)) return index
  }
  return -1
}

function highestBet(table: Table): number {
  return Math.max(0, ...playing(table).map((seat) => seat.bet))
}

/** 0 when nobody plays. */
function raiseLimit(table: Table): number {
  const limits = playing(table).map((seat) => seat.bet + seat.chips)
  return limits.length === 0 ? 0 : Math.min(...limits)
}

function pay(table: Table, seat: Seat, amount: number): void {
  seat.chips -= amount
  seat.bet += amount
  table.pot += amount
  if (seat.chips < 0) throw new IllegalMove('you have not so many chips')
}

function beginRound(table: Table, phase: Table['phase']): void {
  for (const seat of seated(table)) {
    seat.bet = 0
    seat.acted = false
  }
  table.phase = phase
  table.turn = nextSeat(table, table.button, (seat) => seat?.playing === true)
}

/** To the next player, the next round or the end of the hand. */
function goOn(table: Table): void {
  const players = playing(table)
  const highest = highestBet(table)
  if (players.length === 1) {
    endHand(table, players)
  } else if (players.some((seat) => !seat.acted || seat.bet < highest)) {
    table.turn = nextSeat(table, table.turn, (seat) => seat?.playing === true)
  } else if (table.phase === 'river') {
    const strengths = players.map((seat) => strengthOf([...seat.cards, ...table.board]))
    const best = Math.max(...strengths)
    endHand(
      table,
      players.filter((_, index) => strengths[index] === best),
      nameOf(best),
    )
  } else {
    const cards = table.phase === 'preflop' ? 3 : 1
    table.board.push(...table.deck.splice(-cards))
    beginRound(table, table.phase === 'preflop' ? 'flop' : table.phase === 'flop' ? 'turn' : 'river')
  }
}

/** The winners share the pot; chips that do not divide go to the first of them. */
function endHand(table: Table, winners: Seat[], hand?: string): void {
  const share = Math.floor(table.pot / winners.length)
  for (const seat of winners) seat.chips += share
  winners[0]!.chips += table.pot - share * winners.length
  const names = winners.map((seat) => seat.name).join(' and ')
  note(table, `hand ${table.hand}: ${table.pot} to ${names}${hand === undefined ? '' : ` with ${hand}`}`)
  table.pot = 0
  table.phase = 'waiting'
  table.turn = -1
  for (const seat of seated(table)) {
    if (hand === undefined) seat.cards = [] // who won because all others folded need not show
    seat.bet = 0
    seat.playing = false
  }
}

function shuffled<T>(items: T[], random: (below: number) => number): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = random(last + 1)
    ;[items[last], items[other]] = [items[other]!, items[last]!]
  }
  return items
}
