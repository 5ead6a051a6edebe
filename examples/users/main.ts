/**
 * The users of a site, by e-mail address: signing up, logging in, and a question about all of them that
 * needs no query language.
 *
 *     npx tsx examples/users/main.ts [--engine native|js|auto] [--users 10000]
 */
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { open, type ForkstoreMap, type OpenOptions } from 'forkstore'

export type User = {
  name: string
  salt: Uint8Array
  passwordHash: Uint8Array
  logins: number
  lastLogin: Date | null
  options: { newsletter: boolean }
}

export type Users = ForkstoreMap<string, User>

// The cost is low so that the example is quick; a real site takes the default of scrypt or more.
function hash(password: string, salt: Uint8Array): Uint8Array {
  return scryptSync(password, salt, 32, { N: 16 })
}

/** False when the address is taken. */
export function signUp(
  users: Users,
  email: string,
  name: string,
  password: string,
  newsletter: boolean,
): boolean {
  if (users.has(email)) return false
  const salt = new Uint8Array(randomBytes(16))
  const passwordHash = new Uint8Array(hash(password, salt))
  users.set(email, { name, salt, passwordHash, logins: 0, lastLogin: null, options: { newsletter } })
  return true
}

/** The user, or undefined when address or password are wrong. */
export function logIn(users: Users, email: string, password: string): User | undefined {
  const user = users.get(email)
  if (user === undefined || !timingSafeEqual(hash(password, user.salt), user.passwordHash)) return undefined
  users.increment(email, 'logins')
  users.patch(email, { lastLogin: new Date() })
  return users.get(email)
}

/** Between 0 and 1. */
export function newsletterShare(users: Users): number {
  return [...users.values()].filter((user) => user.options.newsletter).length / users.size
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { engine: { type: 'string', default: 'auto' }, users: { type: 'string', default: '10000' } },
  })
  const options = { engine: values.engine } as OpenOptions
  const count = Number(values.users)
  const folder = await mkdtemp(join(tmpdir(), 'forkstore-users-'))
  try {
    const store = await open(join(folder, 'data'), options)
    const users: Users = store.map<string, User>('users')
    for (let index = 0; index < count; index++) {
      signUp(users, `user${index}@example.com`, `User ${index}`, `secret ${index}`, index % 4 === 0)
    }
    logIn(users, 'user7@example.com', 'secret 7')
    await store.close()

    const again = await open(join(folder, 'data'), options)
    const reopened: Users = again.map<string, User>('users')
    const share = newsletterShare(reopened)
    const user = logIn(reopened, 'user7@example.com', 'secret 7')
    const stranger = logIn(reopened, 'user7@example.com', 'secret 8')
    console.log(`${reopened.size} users; ${(share * 100).toFixed(1)} % take the newsletter`)
    console.log(
      `user7@example.com has logged in ${user?.logins} times; a wrong password: ${stranger ?? 'refused'}`,
    )
    await again.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
