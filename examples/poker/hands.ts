/** What poker hands are worth. */

/** Rank and suit, such as `'Td'`: the ten of diamonds. */
export type Card = string

const RANKS = '23456789TJQKA'
const SUITS = 'cdhs'
const HAND_CARDS = 5

const NAMES = [
  'high card',
  'a pair',
  'two pairs',
  'three of a kind',
  'a straight',
  'a flush',
  'a full house',
  'four of a kind',
  'a straight flush',
]

export function newDeck(): Card[] {
  return [...SUITS].flatMap((suit) => [...RANKS].map((rank) => rank + suit))
}

/** Of five cards: greater is better, equal is a tie. */
function strengthOfFive(cards: readonly Card[]): number {
  const ranks = cards.map((card) => RANKS.indexOf(card[0]!)).sort((a, b) => b - a)
  const counts = new Map<number, number>()
  for (const rank of ranks) counts.set(rank, (counts.get(rank) ?? 0) + 1)
  // Pairs and the like first: 9 9 9 K 2 is compared by the nines, then the king, then the two.
  const groups = [...counts].sort(([rankA, a], [rankB, b]) => b - a || rankB - rankA)
  const [first, second] = groups.map(([, count]) => count)

  const isFlush = new Set(cards.map((card) => card[1])).size === 1
  const isWheel = groups.length === 5 && ranks[0] === 12 && ranks[1] === 3 // A 5 4 3 2
  const isStraight = groups.length === 5 && (ranks[4] === ranks[0]! - 4 || isWheel)
  let category = 0
  if (isStraight && isFlush) category = 8
  else if (first === 4) category = 7
  else if (first === 3 && second === 2) category = 6
  else if (isFlush) category = 5
  else if (isStraight) category = 4
  else if (first === 3) category = 3
  else if (first === 2) category = second === 2 ? 2 : 1

  const inOrder = isWheel ? [3, 2, 1, 0, -1] : groups.map(([rank]) => rank)
  let strength = category
  for (let place = 0; place < HAND_CARDS; place++) strength = strength * 16 + (inOrder[place] ?? -1) + 1
  return strength
}

/** Of the best five among five to seven cards. */
export function strengthOf(cards: readonly Card[]): number {
  if (cards.length === HAND_CARDS) return strengthOfFive(cards)
  return Math.max(...cards.map((_, left) => strengthOf(cards.filter((_, index) => index !== left))))
}

export function nameOf(strength: number): string {
  return NAMES[Math.floor(strength / 16 ** HAND_CARDS)]!
}
