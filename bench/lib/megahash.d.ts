/** The part of megahash that is measured; the package has no types of its own. */
declare module 'megahash' {
  export default class MegaHash {
    get(key: string): unknown
    has(key: string): boolean
    set(key: string, value: unknown): number
    delete(key: string): boolean
    nextKey(key?: string): string | undefined
    clear(): void
  }
}
