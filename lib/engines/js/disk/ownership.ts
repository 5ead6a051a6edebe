import { lstatSync } from 'node:fs'
import { dirname } from 'node:path'
import { isSystemError } from '../../../base/system.js'

/**
 * What to add to the message of an error of the system: whose the file is, or the directory that it is in,
 * who this is, and what to do. Empty unless permission was refused, and the file is another user's. `store`:
 * its path.
 */
export function otherOwner(store: string, error: NodeJS.ErrnoException): string {
  if (!isSystemError(error, 'EACCES') && !isSystemError(error, 'EPERM')) return ''
  const self = process.geteuid?.()
  if (self === undefined || error.path === undefined) return ''
  const file = ownerOf(error.path)
  const [what, owner] = file === undefined ? ['the directory', ownerOf(dirname(error.path))] : ['it', file]
  if (owner === undefined || owner === self) return ''
  return (
    `; ${what} belongs to user ${owner}, and this process is user ${self}: ` +
    `run it as that user, or give it the store (chown -R ${self} ${store})`
  )
}

function ownerOf(path: string): number | undefined {
  try {
    return lstatSync(path).uid
  } catch {
    return undefined
  }
}
