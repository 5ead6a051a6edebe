/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

// These run inside of the browser: each must be whole, as its source is all that gets there.

/** What reaches beyond the page, but for what is inside of `boxes`, which scroll. */
export function outsideOf(boxes: string): string[] {
  const width = document.documentElement.clientWidth
  return [...document.body.querySelectorAll('*')]
    .filter((one) => one.parentElement?.closest(boxes) === null)
    .filter((one) => {
      const { left, right } = one.getBoundingClientRect()
      return left < 0 || right > width + 0.5
    })
    .map((one) => one.outerHTML.slice(0, 200))
}

/** The least contrast (WCAG 2) of any visible text to the page behind it. */
export function contrastOfText(): { least: number; of: string; texts: number } {
  const parts = (color: string): number[] => (color.match(/[\d.]+/g) ?? []).map(Number)
  const luminance = (color: string): number => {
    const [red, green, blue] = parts(color).map((part) => {
      const value = part / 255
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
  }
  const behind = (element: Element | null): string => {
    for (let one = element; one !== null; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor
      if (parts(color)[3] !== 0) return color
    }
    return 'rgb(255, 255, 255)'
  }
  const found = { least: Infinity, of: '', texts: 0 }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    const text = walker.currentNode.textContent?.trim() ?? ''
    if (element === null || text === '' || !element.checkVisibility()) continue
    const { color, fill } = getComputedStyle(element)
    const [a, b] = [luminance(element.closest('svg') ? fill : color), luminance(behind(element))]
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    found.texts++
    if (contrast < found.least) Object.assign(found, { least: contrast, of: text })
  }
  return found
}

/** Texts of a chart that lie over one another, or that its edge cuts. */
export function overlaps(): string[] {
  const found: string[] = []
  for (const svg of document.querySelectorAll('body svg:not(svg svg)')) {
    if (!svg.checkVisibility()) continue
    const edge = svg.getBoundingClientRect()
    const texts = [...svg.querySelectorAll('text')]
      .filter((one) => (one.textContent ?? '') !== '' && getComputedStyle(one).opacity !== '0')
      .map((one) => ({ text: one.textContent ?? '', box: one.getBoundingClientRect() }))
    for (const [index, { text, box }] of texts.entries()) {
      const cut =
        box.left < edge.left || box.right > edge.right || box.bottom > edge.bottom || box.top < edge.top
      if (cut)
        found.push(
          `cut: ${text} (${[box.left - edge.left, edge.right - box.right, box.top - edge.top, edge.bottom - box.bottom].map(Math.round).join(' ')})`,
        )
      for (const other of texts.slice(index + 1)) {
        const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left)
        const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top)
        if (across > 1 && down > 3) found.push(`${text} and ${other.text}`)
      }
    }
  }
  return found
}
