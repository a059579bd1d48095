// What a client program in JavaScript says to `cargo xtask clients`: one JSON object a line.

const { isDeepStrictEqual } = require('node:util')

const CASE_MS = 60_000
const PATIENCE_MS = 30_000

/** The client's API has no such thing. */
class NotAvailable extends Error {}

const shortened = (value) => {
  const text = JSON.stringify(value) ?? String(value)
  return text.length < 200 ? text : `${text.slice(0, 200)}…`
}

/** Fails the case unless both are the same. */
const check = (what, actual, expected) => {
  if (!isDeepStrictEqual(actual, expected)) {
    throw new Error(`${what}: ${shortened(actual)}, not ${shortened(expected)}`)
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Asks again until `probe` gives something that is true; gives it, too. */
const until = async (what, probe) => {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const found = await probe()
    if (found) return found
    if (Date.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS / 1000} s`)
    await pause(10)
  }
}

const outcomeOf = async (work, client, seen) => {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${CASE_MS / 1000} s`)), CASE_MS)
  })
  try {
    await Promise.race([work(client, seen), late])
    return { outcome: 'pass' }
  } catch (error) {
    if (error instanceof NotAvailable) return { outcome: 'n/a', detail: error.message }
    console.error(error)
    return { outcome: 'fail', detail: `${error.name}: ${error.message}` }
  } finally {
    clearTimeout(timer)
  }
}

/** Runs the cases that the command line names, with the client that `makeClient` makes. */
const main = async (makeClient, cases) => {
  const [bootstrap, prefix, ...names] = process.argv.slice(2)
  const client = await makeClient(bootstrap, prefix)
  const say = (line) =>
    new Promise((resolve) => process.stdout.write(`${JSON.stringify(line)}\n`, resolve))
  await say({ client: client.version })
  for (const name of names) {
    const seen = {}
    const begin = Date.now()
    const unknown = () => {
      throw new Error('this program does not know the case')
    }
    const outcome = await outcomeOf(cases[name] ?? unknown, client, seen)
    console.error(`${name}: ${(Date.now() - begin) / 1000} s`)
    const texts = Object.entries(seen).map(([key, value]) => [key, String(value)])
    await say({ case: name, ...outcome, seen: Object.fromEntries(texts) })
  }
  // Whatever a case left running is not waited for.
  process.exit(0)
}

module.exports = { NotAvailable, check, main, pause, until }
