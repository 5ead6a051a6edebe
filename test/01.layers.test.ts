// The order of the source: folders of C++ include only those before them, and no modules of TypeScript import
// each other in circles. (That folders of TypeScript import only those before them is a rule of ESLint's.)
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

function filesOf(folder: string, name: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter((file) =>
    name.test(file),
  )
}

function included(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8')
  return [...text.matchAll(/^#include "([^"]+)"/gm)].map((match) => match[1]!)
}

/** Paths of lib that a module imports, for types only or not. */
function imported(path: string): string[] {
  const text = readFileSync(join(root, 'lib', path), 'utf8')
  const specifiers = [...text.matchAll(/^(?:import|export|\}) [^'\n]*'(\.[^']+)'/gm)].map(
    (match) => match[1]!,
  )
  return specifiers.map((specifier) => normalize(join(dirname(path), specifier)).replace(/\.js$/, '.ts'))
}

describe('folders of C++', () => {
  const cmake = readFileSync(join(root, 'native/CMakeLists.txt'), 'utf8')
  const folders = [.../^set\(folders ([^)]+)\)$/m.exec(cmake)![1]!.split(' '), 'binding']
  const sources = filesOf('native', /(?<!_test)\.(cc|h)$/).filter(
    (file) => !/^(testing|prebuilt)\//.test(file),
  )

  it('are all in the list that CMake builds by', () => {
    expect(sources.filter((file) => !folders.includes(dirname(file)))).toEqual([])
  })

  it('include only those before them', () => {
    const wrong = sources.flatMap((file) =>
      included(join('native', file))
        .filter((other) => {
          const place = folders.indexOf(dirname(other))
          return place < 0 || place > folders.indexOf(dirname(file))
        })
        .map((other) => `${file} includes ${other}`),
    )
    expect(sources.length).toBeGreaterThan(100)
    expect(wrong).toEqual([])
  })

  it('know Node-API in binding/ only', () => {
    const those = sources.filter((file) =>
      /#include <(node_api|napi)/.test(readFileSync(join(root, 'native', file), 'utf8')),
    )
    expect([...new Set(those.map(dirname))]).toEqual(['binding'])
  })
})

describe('modules of TypeScript', () => {
  it('do not import each other in circles, not even types', () => {
    const modules = filesOf('lib', /\.ts$/)
    const imports = new Map(modules.map((path) => [path, imported(path)]))
    expect([...imports.values()].flat().filter((path) => !imports.has(path))).toEqual([])
    // What imports only what has been taken away can be taken away: what is left then goes round.
    for (let before = -1; imports.size !== before; ) {
      before = imports.size
      for (const [path, others] of imports)
        if (!others.some((other) => imports.has(other))) imports.delete(path)
    }
    expect([...imports.keys()]).toEqual([])
    expect(modules.length).toBeGreaterThan(50)
  })
})
