export { open } from './open/open.js'
export * from './exports.js'
