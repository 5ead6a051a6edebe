/**
 * Reads which versions of which shared libraries a 64-bit little-endian ELF file asks for: its section
 * `.gnu.version_r`, as the Linux Standard Base describes it under "Symbol Versioning".
 */
export interface VersionNeed {
  library: string
  version: string
}

const SECTION_TYPE_VERSION_NEEDS = 0x6ffffffe

export function readVersionNeeds(file: Buffer): VersionNeed[] {
  if (file.toString('latin1', 0, 6) !== '\x7fELF\x02\x01')
    throw new Error('not a 64-bit little-endian ELF file')
  const sectionTable = Number(file.readBigUInt64LE(0x28))
  const sectionSize = file.readUInt16LE(0x3a)
  const sectionCount = file.readUInt16LE(0x3c)
  const section = (index: number) => {
    const at = sectionTable + index * sectionSize
    return {
      type: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 0x18)),
      link: file.readUInt32LE(at + 0x28),
      info: file.readUInt32LE(at + 0x2c),
    }
  }

  const needs: VersionNeed[] = []
  for (let index = 0; index < sectionCount; index++) {
    const versions = section(index)
    if (versions.type !== SECTION_TYPE_VERSION_NEEDS) continue
    const strings = section(versions.link).offset
    const text = (offset: number) =>
      file.toString('latin1', strings + offset, file.indexOf(0, strings + offset))
    let library = versions.offset
    for (let left = versions.info; left > 0; left--) {
      let version = library + file.readUInt32LE(library + 8)
      for (let more = file.readUInt16LE(library + 2); more > 0; more--) {
        needs.push({
          library: text(file.readUInt32LE(library + 4)),
          version: text(file.readUInt32LE(version + 8)),
        })
        version += file.readUInt32LE(version + 12)
      }
      library += file.readUInt32LE(library + 12)
    }
  }
  return needs
}
