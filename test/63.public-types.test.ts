import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const lib = fileURLToPath(new URL('../lib/', import.meta.url))
const entries = ['index.ts', 'js.ts'].map((name) => join(lib, name))
const program = ts.createProgram(entries, {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  strict: true,
  types: ['node'],
  skipLibCheck: true,
})
const checker = program.getTypeChecker()

const resolved = (symbol: ts.Symbol): ts.Symbol =>
  (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)

function exportsOf(entry: string): ts.Symbol[] {
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!
  return checker.getExportsOfModule(module)
}

/** The types of lib that the signatures of a declaration name: those of its public members, or of a function. */
function typesIn(declaration: ts.Node): ts.Symbol[] {
  const found: ts.Symbol[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isBlock(node) || ts.isConstructorDeclaration(node) || ts.isTypeAliasDeclaration(node)) return
    if (ts.isClassStaticBlockDeclaration(node) || ts.isHeritageClause(node)) return
    const name = (node as Partial<ts.NamedDeclaration>).name
    // Private ones, and those that symbols of the library name.
    if (ts.isClassElement(node) && name !== undefined) {
      if (ts.isPrivateIdentifier(name) || ts.isComputedPropertyName(name)) return
    }
    if (ts.isTypeReferenceNode(node)) {
      const symbol = checker.getSymbolAtLocation(node.typeName)
      if (symbol !== undefined) found.push(resolved(symbol))
    }
    ts.forEachChild(node, visit)
  }
  visit(declaration)
  return found.filter(
    (symbol) =>
      (symbol.flags & ts.SymbolFlags.TypeParameter) === 0 &&
      symbol.declarations?.some((each) => each.getSourceFile().fileName.startsWith(lib)),
  )
}

describe('exported types', () => {
  test.each(entries)('each type that a signature names is exported: %s', (entry) => {
    const exported = new Set(exportsOf(entry).map(resolved))
    // A class that is not exported, and whose members are those of two that are.
    const bases = [...exported].flatMap((symbol) =>
      (symbol.declarations ?? []).flatMap((each) =>
        ts.isClassDeclaration(each)
          ? checker.getBaseTypes(checker.getDeclaredTypeOfSymbol(symbol) as ts.InterfaceType)
          : [],
      ),
    )
    const declarations = [...exported, ...bases.map((type) => type.symbol)]
      .flatMap((symbol) => symbol.declarations ?? [])
      .filter((each) => each.getSourceFile().fileName.startsWith(lib))
    const named = declarations.flatMap(typesIn)
    expect(named.length).toBeGreaterThan(50)
    const missing = new Set(named.filter((symbol) => !exported.has(symbol)).map(({ name }) => name))
    expect([...missing].sort()).toEqual([])
  })

  test('both entry points export the same names', () => {
    const [native, js] = entries.map((entry) =>
      exportsOf(entry)
        .map(({ name }) => name)
        .sort(),
    )
    expect(js).toEqual(native)
  })
})
